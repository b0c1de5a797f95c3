/* embed.c - embed FILE NAME: the file's bytes as C source, `const unsigned char NAME[]` and `const unsigned long NAME_size`. */
#include <stdio.h>

int main(int argc, char **argv)
{
    unsigned long n = 0;
    FILE *f;
    int c;

    if (argc != 3 || !(f = fopen(argv[1], "rb"))) {
        fprintf(stderr, "usage: embed FILE NAME\n");
        return 1;
    }
    printf("/* made by tools/embed.c from a file of the build */\nextern const unsigned char "
           "%s[];\nextern const unsigned long %s_size;\n"
           "const unsigned char %s[] = {",
           argv[2], argv[2], argv[2]);
    while ((c = getc(f)) != EOF)
        printf("%s%d,", n++ % 24 ? "" : "\n", c);
    printf("\n};\nconst unsigned long %s_size = %lu;\n", argv[2], n);
    return ferror(f) || fclose(f) || fflush(stdout) ? 1 : 0;
}
