#!/usr/bin/perl

# The katalo_usage_log directive at nginx -t: what is right is taken, and what
# is not says what to do.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::UNIX;
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Config;

my $config = Katalo::Test::Config->new(keys => { production => new_key() });
my $log = '%PREFIX%/logs/usage.log';

$config->accepts("katalo_usage_log $_", http => "katalo_usage_log $_;")
    for 'off', $log, 'logs/usage.log', "$log interval=1s", "$log interval=1d",
        "$log interval=90", "$log interval=1h30m", '/dev/stdout',
        'syslog:server=127.0.0.1:514 interval=10s',
        'syslog:server=unix:%PREFIX%/log,tag=katalo,nohostname';

my @wrong = (
    ['no interval', "$log interval=", qr/invalid value "interval=" of "kat/],
    ['an interval of zero', "$log interval=0",
     qr/"interval=0" of "katalo_usage_log", use a time from "1s" to "1d"/],
    ['a part of a second', "$log interval=500ms", qr/invalid value "interval/],
    ['more than a day', "$log interval=86401", qr/invalid value "interval=86/],
    ['an interval in words', "$log interval=often", qr/use a time from "1s"/],
    ['a negative interval', "$log interval=-1s", qr/use a time from "1s"/],
    ['an unknown parameter', "$log buffer=32k",
     qr/invalid parameter "buffer=32k" in "katalo_usage_log", use "interval="/],
    ['two intervals', "$log interval=1s interval=2s",
     qr/invalid number of arguments in "katalo_usage_log"/],
    ['no path', '""', qr/invalid path "" in "katalo_usage_log", use a path/],
    ['another word than off', 'on', qr/invalid path "on" in .* or "off"/],
    ['off in capitals', 'OFF', qr/invalid path "OFF" in .* or "off"/],
    ['an interval without a path', 'interval=1s',
     qr/invalid path "interval=1s" in "katalo_usage_log", use a path/],
    ['a variable', '%PREFIX%/$host.log',
     qr/invalid path ".*\$host\.log" in .* use a path without variables/],
    ['off and more', 'off interval=1s',
     qr/invalid parameter "interval=1s" in "katalo_usage_log off", use "off"/],
    ['a bad syslog server', 'syslog:server=', qr/syslog/],
    ['an unknown facility', 'syslog:server=127.0.0.1,facility=x',
     qr/unknown syslog facility "x"/],
    ['the file of another log', '%PREFIX%/logs/access.log',
     qr/"katalo_usage_log" ".*access\.log" is the file of another log, use/],
);

$config->refuses($_->[0], $_->[2], http => "katalo_usage_log $_->[1]; #!")
    for @wrong;

# whoever comes first, and wherever

my $shared = qr{_log" "\S+/shared" is the file of another log, use another};
my $ours = "katalo_usage_log logs/shared; #!\n";

$config->refuses("$_->[0], after it", $shared, http => "$ours $_->[1]")
    for ['an access_log', 'access_log %PREFIX%/logs/shared;'],
        ['an error_log', 'error_log %PREFIX%/logs/shared;'];
$config->refuses('an access_log of a location', $shared, http => $ours,
                 location => 'access_log %PREFIX%/logs/shared;');
$config->refuses('an error_log before it', $shared,
                 http => "error_log %PREFIX%/logs/shared; $ours");
$config->refuses('the main error_log', $shared, http => $ours,
                 main => 'error_log %PREFIX%/logs/shared;');
my (undef, $output) = $config->test(http => 'katalo_usage_log none/log;');

like($output, qr{open\(\) "\S+/none/log" failed in \S+\.conf:\d+ \(2: },
     'a directory that is not there');

my $path = $config->gateway->prefix . '/socket';
my $socket = IO::Socket::UNIX->new(Local => $path, Listen => 1)
    or die "$path: $!\n";

(undef, $output) = $config->test(http => "katalo_usage_log $path;");

like($output, qr{open\(\) "\S+/socket" failed, .* a socket "syslog:" in \S+:\d},
     'a socket');

$config->refuses('twice', qr/"katalo_usage_log" directive is duplicate/,
                 http => "katalo_usage_log off; katalo_usage_log $log; #!");
$config->refuses('in a server', qr/"katalo_usage_log" directive is not allowed/,
                 server => "katalo_usage_log $log; #!");
$config->refuses('a key', qr/a key is written in the "katalo_usage_log" dire/,
                 http => 'katalo_usage_log ' . new_key('given') . '; #!');
$config->accepts('no key to log of', key => '', bearer => '',
                 http => "katalo_usage_log $log;");

done_testing();
