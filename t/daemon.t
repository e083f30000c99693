#!/usr/bin/perl

# A master that goes to the background, as most are started.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Daemon;
use Katalo::Test::Memory qw(mappings holders);
use Katalo::Test::Process qw(children);
use Katalo::Upstream;

plan skip_all => 'needs root, to read the memory of other processes'
    if $> != 0;

my $key = new_key('one');
my $up = Katalo::Upstream->new;

my $gateway = Katalo::Test::Daemon->new(
    upstream => $up, workers => 2, keys => { production => $key })->start;


# whether each place where the process has the key is locked
sub locked {
    my ($pid) = @_;
    my @holders = holders($pid, $key);

    return @holders > 0 && !grep { !$_->{flags}{lo} } @holders;
}


my $master = $gateway->master_pid;

ok(locked($master), 'the key is locked in the memory of its master');
ok(locked($_), 'and of a worker') for children($master);
is($gateway->request('GET', '/katalo/usage/summary')->status, 200,
   'the key is used');

ok($gateway->reload(gone => 1), 'a reload');
ok(locked($_), 'locks it again') for $master, children($master);

done_testing();
