#!/usr/bin/perl

# docs/examples/container/Containerfile, built and run by podman: without root,
# on a root file system that is read-only.  Its debian:12 is made here by
# debootstrap.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Container qw(enter make_debian build gateway_runs);
use Katalo::Examples qw(example_path);

enter();

my $file = example_path('container/Containerfile');

make_debian();
build('the Containerfile is built', 'katalo-gateway', "$FindBin::Bin/../..",
      $file);
gateway_runs('katalo-gateway', $file, 33);

done_testing();
