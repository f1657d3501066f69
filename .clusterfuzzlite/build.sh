#!/bin/bash -eu
# Builds the login fuzzers as a fuzzing service wants them (ClusterFuzzLite, OSS-Fuzz), inside the image that the Dockerfile begins from:
# each becomes a binary in $OUT, and its seeds an archive beside it.

module=github.com/iscsispec/iscsispec

# compile_native_go_fuzzer puts a package of its own in the place of the testing package, which the module has to know.
go get github.com/AdamKorcz/go-118-fuzz-build/testing

# fuzzer DIRECTORY FUNCTION NAME
fuzzer() {
  compile_native_go_fuzzer "$module/$1" "$2" "$3"
  zip -jq "$OUT/$3_seed_corpus.zip" "$SRC/iscsispec/$1"/testdata/seeds/*
}

fuzzer scenarios/fuzz FuzzLoginTarget fuzz_login_target
fuzzer scenarios/fuzz/scripted FuzzLoginInitiator fuzz_login_initiator
