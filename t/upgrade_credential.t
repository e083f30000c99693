#!/usr/bin/perl

# A binary upgrade starts nginx with the variables of "env" only: the directory
# of systemd's credentials is one of them while a key needs it.  Without it the
# new nginx would refuse the configuration, or answer 503 where the key is
# optional.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Daemon;
use Katalo::Upstream qw(expects_auth);

my $key = new_key('credential');
my $up = Katalo::Upstream->new(keys => [$key]);

my $gateway = Katalo::Test::Daemon->new(
    upstream => $up, keys => { api => $key },
    env => { CREDENTIALS_DIRECTORY => '' }, http => <<'EOC');
    katalo_key needed credential:api check=off;
    katalo_key optional credential:api check=off optional;
    katalo_consumer off;

    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    proxy_ssl_trusted_certificate %CA%;

    server {
        listen 127.0.0.1:%PORT%;

        location /needed/ {
            katalo_bearer needed;
            proxy_pass https://app.katalo.ai/api/v1/;
        }

        location /optional/ {
            katalo_bearer optional;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
    }
EOC

$gateway->{env}{CREDENTIALS_DIRECTORY} = $gateway->prefix . '/keys';
$gateway->start;


sub upgrade {
    my ($title) = @_;
    my $old = $gateway->master_pid;

    $gateway->signal('USR2');
    wait_until(sub { $gateway->old_master_pid == $old && $gateway->master_pid
                     && $gateway->worker_pids })
        or die $title, ': ', redact($gateway->error_log);
    kill 'QUIT', $old;

    # nginx takes no USR2 while the old master is still there, which removes its
    # pid file first

    ok(wait_until(sub { !kill(0, $old) && !$gateway->old_master_pid }), $title);

    return;
}


sub attached {
    my ($name, $title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $up->clear;
    is($gateway->request('GET', "/$name/usage/summary")->status, 200, $title);
    is_deeply([map { $up->auth($_) } $up->received(1)], [expects_auth($key)],
              'with the key');

    return;
}


attached($_, "a key that is $_, at the start") for qw(needed optional);

for my $n (1, 2) {
    upgrade("binary upgrade $n");
    attached($_, "a key that is $_, after it") for qw(needed optional);
    ok($gateway->reload(gone => 1), 'a reload succeeds');
    attached($_, "a key that is $_, after that") for qw(needed optional);
}

done_testing();
