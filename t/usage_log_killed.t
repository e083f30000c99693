#!/usr/bin/perl

# A worker is killed while it writes the usage log, at each place where it
# makes a difference: no line is lost; one that may not be whole is there again,
# with the same id and content.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Debugger qw(writes_to);
use Katalo::Test::UsageLog qw(usage_lines consumer_lines adds_up requests
                              usage_http cut_off repeated);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new;

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => usage_http('logs/usage.log interval=1s'))->start;

my $sent = 0;

# The debugger's commands: to where a request is counted, from there to where it
# is to be written, and until a word of the zone changes.  The usage operation
# is the fourth.  A pass that is under way begins again: else the line of those
# without a consumer could come first.

my @asked = ('break ngx_http_katalo_usage_start', 'continue', 'delete',
             'set $line = &key->usage->sh->line',
             'set variable key->usage->log->next = 0');
my @new = (@asked,
           'break ngx_http_katalo_zone_sum_key if $line->id_delta[3] > 0',
           'continue');

sub until_is {
    my ($member, $value) = @_;

    return ("while \$line->$member != $value", 'stepi', 'end');
}

sub lines { return usage_lines($gateway, 'logs/usage.log*') }

sub writes { return writes_to($_[0], $gateway->prefix . '/logs/usage.log') }

# all requests, with a line of their id and one of those without a consumer
sub all_there {
    return requests(lines()) == $sent && requests(consumer_lines()) == $sent;
}

# Of what the worker does when something is to be written: [title, commands,
# are the counts in the file when it is killed, is the line there again?]

my @places = (
    ['the line is put together', sub { @new }, 0, 0],
    ['the line is pending', sub { (@new, until_is('pending', 1)) }, 0, 0],
    ['the line is rendered', sub {
        (@new, 'break ngx_http_katalo_usage_line', 'continue')
    }, 0, 0],
    ['before write()', sub {
        (@new, 'break ngx_http_katalo_usage_write', 'continue')
    }, 0, 0],
    ['in write()', sub { (@asked, writes($_[0])) }, 0, 0],
    ['in the middle of write()', sub {
        (@asked, writes($_[0]), 'set $rdx = 100', 'continue')
    }, 'half', 0],
    ['after write()', sub { (@asked, writes($_[0]), 'continue') }, 1, 1],
    ['the line is done', sub {
        (@new, 'delete', writes($_[0]), 'continue', 'delete',
         until_is('lines', '$line->number'))
    }, 1, 1],
    ['the line is not pending any more', sub {
        (@new, 'delete', writes($_[0]), 'continue', 'delete',
         until_is('pending', 0))
    }, 1, 0],
);

my $file = $gateway->prefix . '/logs/usage.log';
my ($cut_off, $repeated) = (0, 0);

for my $place (@places) {
    my ($title, $commands, $there, $again) = @$place;
    my ($worker) = $gateway->worker_pids;
    my $gdb = Katalo::Test::Debugger->new($worker, $commands->($worker));

    # the worker may stop before it answers, but counts the request first

    my $size = -s $file;
    my $client = $gateway->connection;
    $client->write("GET /katalo/usage/summary HTTP/1.1\r\nHost: x\r\n\r\n");
    $sent++;
    ok($gdb->reached, "$title: here it is") or diag($gdb->output);
    my $written = (-s $file) - $size;

    is($written ? $written == 100 ? 'half' : 1 : 0, $there,
       "$title: what has been written by then");
    $gdb->kill;
    ok(wait_until(sub { my @pids = $gateway->worker_pids;
                        @pids == 1 && $pids[0] != $worker }),
       "$title: another worker takes its place");
    $cut_off += $there eq 'half';
    $repeated += $again;
    ok(wait_until(sub { all_there() && repeated() == $repeated }),
       "$title: all is there");
    is(cut_off(), $cut_off, "$title: lines that were cut off");
    is(repeated(), $repeated, "$title: lines that are there again");
}

adds_up('killed everywhere', lines());
$gateway->quit;
ok(all_there(), 'nothing is missing at the end');
adds_up('at the end', lines());

done_testing();
