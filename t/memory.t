#!/usr/bin/perl

# Where a key is in the memory of nginx's processes, and where it is not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Memory qw(mappings holders);
use Katalo::Test::Process qw(children slurp);
use Katalo::Upstream;

plan skip_all => 'needs root, to read the memory of other processes'
    if $> != 0;

my ($one, $two, $three, $env) = map { new_key($_) } qw(one two three env);
my %all = (one => $one, two => $two, three => $three, env => $env);
my $up = Katalo::Upstream->new;


sub gateway {
    my (%option) = @_;

    return Katalo::Test->new(
        upstream => $up, workers => 2, keys => { production => $one },
        env => { KATALO_TEST_KEY => $env }, http => <<'EOC', %option);
    katalo_key production file:%KEY:production% check=100ms;
    katalo_key container env:KATALO_TEST_KEY;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 8; }
    upstream two.katalo.ai {
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
        server 127.0.0.1:%PORT2% backup max_fails=0;
    }
    proxy_cache_path %PREFIX%/cache keys_zone=cache:1m;
    proxy_ssl_trusted_certificate %CA%;
    proxy_set_header Connection "";
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /retry/ {
            katalo_bearer production;
            proxy_pass https://two.katalo.ai/api/v1/;
        }
        location /unbuffered/ {
            katalo_bearer production;
            proxy_request_buffering off;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /container/ {
            katalo_bearer container;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status json; }
    }
EOC
}


# the mappings that are left out of core dumps, with what is around them
sub vaults {
    my ($pid) = @_;
    my @mappings = mappings($pid);

    return map { [@mappings[$_ - 1 .. $_ + 1]] }
               grep { $mappings[$_]{flags}{dd} && $mappings[$_]{perms} =~ /^r/
                      && $mappings[$_]{name} !~ /^\[/ } 0 .. $#mappings;
}


# A request whose answer was just read may not be over, and wiped, yet.
sub becomes {
    my ($got, $expected, $title) = @_;
    my $value;

    wait_until(sub { ($value = $got->()) eq $expected });

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is($value, $expected, $title);
}


# the keys that a process has outside of its vault
sub astray {
    my ($pid, $expected, $title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return becomes(sub {
        join ' ', grep {
            grep { !$_->{flags}{dd} } holders($pid, $all{$_})
        } sort keys %all;
    }, $expected, $title);
}


# in how many places a process has a key
sub has {
    my ($pid, $key, $number, $title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return becomes(sub { scalar(() = holders($pid, $key)) }, $number, $title);
}


# both workers serve requests with both keys
sub ask {
    my ($gateway) = @_;

    for my $path (qw(/katalo/usage/summary /container/usage/summary)) {
        $gateway->request('GET', $path)->status == 200 or return 0
            for 1 .. 12;
    }

    return 1;
}


# an nginx that may not lock memory, though it is started by root
sub without_rights {
    my ($gateway) = @_;
    my $nginx = Katalo::Test::Nginx::binary();
    my $path = $gateway->write_file('nginx', <<"EOS", 0755);
#!/bin/sh
exec setpriv --bounding-set=-ipc_lock $nginx "\$@"
EOS

    return $path;
}


my $gateway = gateway()->start;
my $master = $gateway->master_pid;

ok(ask($gateway), 'both keys are used');

for my $pid ($gateway->worker_pids) {
    my @vaults = vaults($pid);

    is(scalar @vaults, 1, 'a worker has one vault');
    my ($before, $vault, $after) = @{ $vaults[0] };
    ok($vault->{flags}{lo}, 'locked in memory');
    is($vault->{perms}, 'rw-p', 'its own');
    is("$before->{perms} $after->{perms}", '---p ---p', 'between guard pages');
    is($vault->{end} - $vault->{start}, 4096, 'of one page');

    is(scalar(grep { $_->{start} == $vault->{start} } holders($pid, $_)), 1,
       'a key is in it') for $one, $env;
    astray($pid, '', 'and nowhere else');

    lacks_secrets(slurp("/proc/$pid/environ") . slurp("/proc/$pid/cmdline"),
                  'nor in what ps shows of the worker');
}

is(scalar vaults($master), 1, 'the master has one vault');
ok((vaults($master))[0][1]{flags}{lo}, 'locked, too');
astray($master, 'env', 'what it was started with is in its memory');
lacks_secrets(slurp("/proc/$master/environ") . slurp("/proc/$master/cmdline"),
              'but not in what ps shows of it');

for my $pid (grep { my $pid = $_; !grep { $_ == $pid } $gateway->worker_pids }
                  children($master))
{
    has($pid, $_, 0, 'a cache process has no key') for $one, $env;
}

# a connection is closed for another peer, which is not there

for (1 .. 12) {
    $gateway->request('GET', '/retry/x-close')->status == 502 or die;
}

astray($_, '', 'a retry leaves no key behind')
    for $gateway->worker_pids;

# nginx frees the header's link as soon as it is sent, and uses it again

for my $n (1 .. 12) {
    $gateway->request('POST', '/unbuffered/x-echo', body => 'b' x 40_000,
                      $n % 2 ? (chunked => [1, 2]) : ())->status == 200 or die;
}

astray($_, '', 'nor does a request that is not buffered')
    for $gateway->worker_pids;

# replaced: only the master has the first one, as it read it

$gateway->mark_log;
$gateway->set_key(production => $two);
$gateway->wait_for_log(qr/("one" to "two").*\1/s);
ask($gateway);

for my $pid ($gateway->worker_pids) {
    has($pid, $one, 0, 'a replaced key is gone from a worker');
    has($pid, $two, 1, 'which has the new one');
}

ok($gateway->reload(gone => 1), 'a reload');
ask($gateway);

for my $pid ($master, $gateway->worker_pids) {
    is(scalar vaults($pid), 1, 'the old vault is gone');
    has($pid, $one, 0, 'and the first key');
    has($pid, $two, 1, 'the second is in the new one');
}

my $http = $gateway->{http};
ok(!$gateway->reload(http => "$http nonsense;"), 'a reload that is refused');
becomes(sub { scalar vaults($master) }, 1, 'leaves no vault behind');

$gateway->mark_log;
$gateway->set_key(production => '');
ok($gateway->wait_for_log(qr/("two" is revoked).*\1/s), 'a revocation');
has($_, $two, 0, 'takes the key out of a worker') for $gateway->worker_pids;
$gateway->stop;

# where workers may not lock memory, and where nobody may

system("prlimit --pid $$ --memlock=0:0") == 0 or die "prlimit: $?\n";

$gateway = gateway(user => 'nobody nogroup')->start;
ok($_->[1]{flags}{lo}, 'a vault is locked before a worker gives up its rights')
    for map { vaults($_) } $gateway->worker_pids;
$gateway->stop;

$ENV{TEST_NGINX_BINARY} = without_rights($gateway);
$gateway = gateway(user => 'nobody nogroup')->start;
ok(ask($gateway), 'keys are used where memory may not be locked');
is(() = $gateway->error_log =~ /\[notice\].*katalo: mlock.*RLIMIT_MEMLOCK/g, 1,
   'with one notice');

for my $pid ($gateway->worker_pids) {
    my ($vault) = map { $_->[1] } vaults($pid);
    ok(!$vault->{flags}{lo}, 'nothing is locked');
    astray($pid, '', 'the keys are in the vault only');
}

lacks_secrets($gateway->read_file('logs/error.log'),
              'no secret is in the error log');

done_testing();
