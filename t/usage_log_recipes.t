#!/usr/bin/perl

# The recipes of docs/operations.md for the usage log: lines that are there
# twice, lines that were cut off, and compressed files.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Compress::Gzip qw(gzip $GzipError);
use JSON::PP qw(decode_json);
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);
use Katalo::Test::UsageLog qw(usage_http);
use Katalo::Upstream;

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => new_key('prod1') },
    http => usage_http('logs/usage.log interval=1s'))->start;
my $logs = $gateway->prefix . '/logs';

# a line for each, or two, if an interval ends before the response

for my $target ('usage/summary', 'generations/a', 'generations/b') {
    my $size = -s "$logs/usage.log";

    $gateway->request('GET', "/katalo/$target");
    wait_until(sub { -s "$logs/usage.log" > $size })
        or die "nothing is written\n";
}
$gateway->quit;

my @lines = split /^/m, $gateway->read_file('logs/usage.log');
my ($requests, $gaps) = slurp("$FindBin::Bin/../docs/operations.md")
                        =~ /^(for file in .*?)^```$/msg;


# What a recipe prints of the files.
sub prints {
    my ($recipe) = @_;

    $recipe =~ s{/var/log/katalo}{$logs} or die "no path in $recipe\n";

    return scalar `$recipe`;
}

sub write_log {
    my ($name, @text) = @_;

    return $gateway->write_file("logs/$name", join '', @text);
}


# the first line is in an older file, and all but the last byte of the second

my $old = join '', $lines[0], substr $lines[1], 0, -2;

gzip \$old => "$logs/usage.log-20261001.gz" or die $GzipError;
write_log('usage.log', "\n", @lines[1 .. $#lines], $lines[1],
          substr $lines[-1], 0, 9);

is_deeply(decode_json(prints($requests)),
          { key => 'production', requests => { total => 3, usage => 1,
                                               read => 2 } },
          'each request is counted once');
is(prints($gaps), '', 'no line is missing');

# lines of version 0.1.0 have no id

write_log('usage.log.1', map { s/"id":"[^"]*",//r } grep { /"key_id"/ } @lines);
is(decode_json(prints($requests))->{requests}{total}, 6,
   'each line without an id is counted');
is(prints($gaps), '', 'and is not missing');
unlink "$logs/usage.log.1";

unlink "$logs/usage.log-20261001.gz";
write_log('usage.log', @lines[0, 2 .. $#lines]);
like(prints($gaps), qr/\A[0-9a-f]{16}\.2 is missing\n\z/,
     'a line that is missing is told');

done_testing();
