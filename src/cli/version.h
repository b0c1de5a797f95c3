/* version.h - what k1s calls itself: the Kubernetes version that it speaks, and its own build. */
#ifndef K1S_CLI_VERSION_H
#define K1S_CLI_VERSION_H
#define K1S_VERSION "v1.36.2+k1s1"
#endif
