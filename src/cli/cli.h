/* cli.h - the command line: k1s server, agent, kubectl, images, ... */
#ifndef K1S_CLI_H
#define K1S_CLI_H
#include "base/base.h"
int cli_main(int argc, char **argv);   /* exit status */
int cmd_server(int argc, char **argv); /* k1s server: argv[0] is "server" */
int cmd_stop(int argc, char **argv);   /* ends server and pods of this machine; the data stays */
int cmd_kubectl(int argc, char **argv);
int cmd_images(int argc, char **argv);
int cmd_secrets_encrypt(int argc, char **argv);
#endif
