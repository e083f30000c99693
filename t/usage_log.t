#!/usr/bin/perl

# What a line of katalo_usage_log has: members, counts since the line before
# and since the start, and on which id's line the facts of a key name are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP qw(decode_json);
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Port qw(free_port);
use Katalo::Test::UsageLog qw(usage_http usage_lines deltas adds_up requests
                              repeated cut_off
                             consumer_lines);
use Katalo::Upstream;

use constant INTERVAL => 1;

my $key = new_key('first');
my $up = Katalo::Upstream->new;

sub http {
    my ($operation) = @_;

    return usage_http("logs/usage.log interval=${\ INTERVAL}s", <<"EOC",
    katalo_key empty file:%KEY:empty%;
    $operation
    upstream two.katalo.ai {
        server 127.0.0.1:%CLOSED% max_fails=0;
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
    }
EOC
        upstream => 'UPSTREAM', server => <<'EOC');
        location /two/ {
            katalo_bearer production;
            proxy_pass https://two.katalo.ai/api/v1/;
        }
        location /empty/ {
            katalo_bearer empty;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
EOC
}

my $operation = 'katalo_operation cancel DELETE ~/generations/[^/]+$;';
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key, empty => '' },
    vars => { CLOSED => free_port() },
    http => http($operation))->start;

my $number = 0;


# An interval may end between any two requests, or between a request and its
# response: what is done then is on several lines.
sub merge {
    my ($one, $other) = @_;

    return $one + $other if !ref $one;

    if (ref $one eq 'ARRAY') {
        my %sum;

        $sum{ $_->{le} } += $_->{count} for @$one, @$other;

        return [map { { le => $_, count => $sum{$_} } }
                sort { $a eq '+Inf' ? 1 : $b eq '+Inf' ? -1 : $a <=> $b }
                     keys %sum];
    }

    return { %$one, map { $_ => exists $one->{$_}
                                ? merge($one->{$_}, $other->{$_})
                                : $other->{$_} } keys %$other };
}


# The next line, once the sub has done what it does: so many requests that are
# answered or refused, or files that are bad.
sub line_of {
    my ($expected, $code) = @_;
    my @new;

    $code->();
    wait_until(sub {
        my @lines = usage_lines($gateway, 'logs/usage.log');
        my $done = 0;

        @new = @lines[$number .. $#lines];

        for my $delta (map { $_->{delta} } @new) {
            $done += $_ for values %{ $delta->{responses} },
                            values %{ $delta->{denied} },
                            $delta->{read_failures} // 0;
        }
        return $done >= $expected;
    }) or diag('not all is logged');

    $number += @new;

    my %line = %{ pop @new // {} };

    is($_->{key}, $line{key}, 'lines of one key') for @new;
    $line{delta} = merge($line{delta}, $_->{delta}) for @new;
    $line{id} = $new[0]{id} if @new;

    return \%line;
}


sub get { $gateway->request('GET', @_) }


# The first number of a run: that of a key id, or of a consumer.
sub first_of {
    my ($run) = @_;
    my ($first) = sort { $a <=> $b }
                  map { $_->{id} =~ /^$run\.(\d+)$/ ? $1 : () }
                      usage_lines($gateway, 'logs/usage.log'),
                      consumer_lines();

    return $first;
}


my $line = line_of(1, sub {
    get('/katalo/usage/summary', headers => ['Cookie: a=b']);
});

is(join(' ', sort keys %$line), 'delta id interval key key_id time total',
   'members of a line');
like($line->{id}, qr/^[0-9a-f]{16}\.\d+$/, 'an id: the run, and a number');
my $run = substr $line->{id}, 0, 16;
is(first_of($run), 1, 'from 1');
like($line->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'a time in UTC');
is($line->{key}, 'production', 'the name of the key');
is($line->{key_id}, 'first', 'its id');
is($line->{interval}, INTERVAL, 'the interval');
is_deeply($line->{delta}{requests}, { total => 1, usage => 1 },
          'requests, without counts of zero');
is_deeply($line->{delta}{responses}, { 200 => 1 }, 'responses');
is_deeply($line->{delta}{client_credentials}, { stripped => 1 },
          'client credentials');
is_deeply($line->{delta}{denied}, {}, 'a group without counts is there');
ok(!exists $line->{delta}{retries}, 'a single count of zero is not');
is($line->{delta}{upstream_seconds}{count}, 1, 'a time');
is($line->{delta}{upstream_seconds}{buckets}[-1]{count}, 1,
   'in the last bucket, too');
is_deeply($line->{delta}, $line->{total}, 'the first delta is the total');

$line = line_of(4, sub {
    get('/katalo/usage/summary', headers => ['Origin: https://x.example']);
    get('/two/generations/a', headers => ['Authorization: Bearer ' . $key])
        for 1, 2;
    $gateway->request('DELETE', '/katalo/generations/a');
});
is_deeply($line->{delta}{denied}, { browser => 1 }, 'a refusal');
is($line->{delta}{client_credentials}{katalo_key}, 2, 'keys of clients');
cmp_ok($line->{delta}{retries}, '>', 0, 'attempts on other peers');
is_deeply($line->{delta}{requests}, { total => 3, read => 2, cancel => 1 },
          'requests since the line before');
is_deeply($line->{total}{requests},
          { total => 4, usage => 1, read => 2, cancel => 1 },
          'requests since the start');

my $status = $gateway->status->{keys}[0]{ids}[0];
is($line->{total}{bytes}{$_}, $status->{bytes}{$_}, "bytes $_, as status has")
    for qw(sent received);
is_deeply($line->{total}{upstream_seconds}{buckets},
          [grep { $_->{count} } @{ $status->{upstream_seconds}{buckets} }],
          'and the histogram');


# a name of an operation that has left the configuration

$gateway->reload(http => http(''), gone => 1);
$line = line_of(1, sub { get('/katalo/generations/b') });
is_deeply($line->{total}{requests},
          { total => 5, usage => 1, read => 3, cancel => 1 },
          'an operation keeps its name when the configuration has it no more');


# no activity, no line; facts where there is no id

$line = line_of(1, sub { get('/empty/usage/summary') });
is($line->{key}, 'empty', 'only the key with something new has a line');
is($line->{key_id}, undef, 'it never had an id');
is_deeply($line->{total}, { denied => { no_key => 1 },
                            client_credentials => {} },
          'a line without an id has the facts of the key name');


# rotation: what the old id still does is on its own line, without the facts

my $hanging = $gateway->connection;
$hanging->write("GET /katalo/x-hang HTTP/1.1\r\nHost: x\r\n\r\n");
wait_until(sub { $gateway->status->{keys}[0]{in_flight} });
$gateway->set_key(production => new_key('second'));
$gateway->wait_for_log(qr/rotated from id "first" to "second"/);
get('/katalo/usage/summary', headers => ['Origin: x']);
$hanging->close;
wait_until(sub { !$gateway->status->{keys}[0]{in_flight} });
wait_until(sub {
    my $sum = deltas(usage_lines($gateway, 'logs/usage.log'));
    return ($sum->{'production first'}{'responses.none'} // 0) == 1
           && ($sum->{'production second'}{'denied.browser'} // 0) == 1;
});
my $sum = deltas(usage_lines($gateway, 'logs/usage.log'));

is($sum->{'production first'}{'responses.none'}, 1,
   'the previous id has its own line');
($line) = grep { ($_->{key_id} // '') eq 'first' }
          reverse usage_lines($gateway, 'logs/usage.log');
ok(!exists $line->{total}{denied},
   'without the facts of the key name');
is($sum->{'production second'}{'rotations'}, 1,
   'the current one has the rotation');
is($sum->{'production second'}{'denied.browser'}, 1, 'and what was refused');
is($sum->{'production first'}{'denied.browser'}, 1,
   'what was refused before is on the line of before');


# revoked: the last id has the facts

$number = () = usage_lines($gateway, 'logs/usage.log');
$gateway->set_key(production => '');
$gateway->wait_for_log(qr/id "second" is revoked/);
$line = line_of(1, sub { get('/katalo/usage/summary') });
is($line->{key_id}, 'second', 'facts of a revoked key are with its last id');
is_deeply($line->{delta}{denied}, { no_key => 1 }, 'as refusals');

$gateway->write_file('keys/bad', "two\nlines\n");
rename $gateway->prefix . '/keys/bad', $gateway->prefix . '/keys/production';
$line = line_of(1, sub { });
is($line->{delta}{read_failures}, 1, 'a file that cannot be used');


my @lines = usage_lines($gateway, 'logs/usage.log');
adds_up('all of it', @lines);
is_deeply([sort { $a <=> $b } map { $_->{id} =~ /^$run\.(\d+)$/ }
                                  @lines, consumer_lines()],
          [1 .. @lines + consumer_lines()],
          'ids are numbers in turn, over a reload too');
is(repeated() + cut_off(), 0, 'each line is there once, and whole');
unlike($gateway->read_file('logs/usage.log'), qr/^$/m, 'none is empty');

$gateway->quit;
my @last = usage_lines($gateway, 'logs/usage.log');
is(@last, @lines, 'nothing new at the end, no line');
lacks_secrets($gateway->read_file('logs/usage.log'), 'no line shows a key');


# another start goes on in the same file

$gateway->set_key(production => new_key('third'));
$gateway->start;
get('/katalo/usage/summary');
$gateway->quit;
@lines = usage_lines($gateway, 'logs/usage.log');
@lines = @lines[@last .. $#lines];
is(requests(@lines), 1, 'another start has its line');
unlike($lines[0]{id}, qr/^$run/, 'with a name of its own');

my $second = substr $lines[0]{id}, 0, 16;

is(first_of($second), 1, 'from 1');


# a line that was cut off before, by whatever

my $text = $gateway->read_file('logs/usage.log');
open my $file, '>', $gateway->prefix . '/logs/usage.log' or die "$!\n";
print {$file} substr $text, 0, -100;
close $file;
$gateway->start;
get('/katalo/usage/summary');
$gateway->quit;
($line) = grep { $_->{id} !~ /^(?:$run|$second)/ }
          map { eval { decode_json($_) } // () }
          split /\n/, $gateway->read_file('logs/usage.log');
is($line->{delta}{requests}{total}, 1, 'is ended before the next one');

done_testing();
