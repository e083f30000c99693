#!/usr/bin/perl

# An upstream that resets, hangs, stops in the middle, speaks no TLS or shows a
# wrong certificate, at each stage, for all clients at once: each request is
# counted once, by what its last attempt came to; each attempt is a retry more.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw(shuffle sum0);
use POSIX ();
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Counts qw(counts counts_as);
use Katalo::Test::Health qw(settles memory keeps_memory ends_well);
use Katalo::Test::Rude;
use Katalo::Upstream;

use constant { CLIENTS => 6, ROUNDS => 4 };

my @rude = qw(close reset late alert plain silent refused);
my $rude = Katalo::Test::Rude->new;
my $up = Katalo::Upstream->new;
my @wrong = qw(wrong_name expired untrusted);
my %wrong = map { $_ => Katalo::Upstream->new(certificate => $_) } @wrong;
my %port = ((map { $_ => $rude->port($_) } @rude),
            (map { $_ => $wrong{$_}->port } @wrong));


# A location for each: one whose only server is such, and one that has another.
sub locations {
    my $text = '';

    # the second server needs time for its handshake

    my %timeout = (silent => ['proxy_connect_timeout 1s;',
                              'proxy_connect_timeout 20s;']);

    for my $name (sort keys %port) {
        my $host = $name =~ tr/_/-/r;

        $text .= <<"EOC";
    upstream $host.katalo.ai { server 127.0.0.1:$port{$name} max_fails=0; }
    upstream then-$host.katalo.ai {
        server 127.0.0.1:$port{$name} max_fails=0 weight=1000;
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0 backup;
    }
EOC
    }

    $text .= "server {\nlisten 127.0.0.1:%PORT%;\n";

    for my $name (sort keys %port) {
        my $host = $name =~ tr/_/-/r;
        my ($first, $then) = @{ $timeout{$name} // ['', ''] };

        $text .= <<"EOC";
        location /$name/ {
            $first
            proxy_pass https://$host.katalo.ai/;
        }
        location /then-$name/ {
            $then
            proxy_pass https://then-$host.katalo.ai/;
        }
EOC
    }

    return $text;
}


my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => new_key() },
    http => <<'EOC' . locations() . <<'EOC')->start;
    katalo_key production file:%KEY:production%;
    katalo_bearer production;
    access_log off;

    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT% max_fails=0; }
    upstream two.katalo.ai {
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
    }

    proxy_ssl_trusted_certificate %CA%;
    proxy_next_upstream error timeout http_503 non_idempotent;
    proxy_set_header Connection close;
EOC
        location /one/ { proxy_pass https://app.katalo.ai/; }
        location /two/ { proxy_pass https://two.katalo.ai/; }
        location /one/x-hang {
            proxy_read_timeout 2s;
            proxy_pass https://app.katalo.ai/x-hang;
        }
        location /one/x-partial/hang {
            proxy_read_timeout 20s;
            proxy_pass https://app.katalo.ai/x-partial/hang;
        }
        location /two/x-hang {
            proxy_read_timeout 2s;
            proxy_pass https://two.katalo.ai/x-hang;
        }
        location = /status { katalo_status json; }
    }
EOC

# target => [what it counts as, what the client gets, requests received,
# retries]

my %fault = (
    '/one/x-status/200' => [200, 200, 1, 0],
    '/one/x-size/300000' => [200, 200, 1, 0],
    '/one/x-reset' => ['none', 502, 1, 0],
    '/one/x-reset/x-early?post' => ['none', 502, 1, 0],
    '/one/x-close' => ['none', 502, 1, 0],
    '/one/x-hang' => ['none', 504, 1, 0],
    '/one/x-partial' => [200, 'cut', 1, 0],
    '/one/x-partial/reset' => [200, 'cut', 1, 0],
    '/one/x-partial/hang' => [200, 'cut', 1, 0],
    '/two/x-reset' => ['none', 502, 2, 1],
    '/two/x-reset/x-early?post' => ['none', 502, 2, 1],
    '/two/x-close' => ['none', 502, 2, 1],
    '/two/x-hang' => ['none', 504, 2, 1],
    '/two/x-status/503' => [503, 503, 2, 1],
    '/two/x-partial/reset' => [200, 'cut', 1, 0],
    (map { ("/$_/x" => ['none', $_ eq 'silent' ? 504 : 502, 0, 0],
            "/then-$_/x-status/201" => [201, 201, 1, 1]) } keys %port),
);


# Those that wait for long, each with clients of its own, so that they wait at
# once.
my @slow = ('/one/x-partial/hang', '/then-silent/x-status/201');
my %slow = map { $_ => 1 } @slow;
my @groups = ([grep { !$slow{$_} } keys %fault], map { [$_] } @slow);


# What each client does not get as it should, as its exit code.
sub client {
    my ($rounds, @targets) = @_;
    my $wrong = 0;

    for (1 .. $rounds) {
        for my $target (shuffle @targets) {
            my @body = $target =~ /post/ ? (body => 'b' x 400_000) : ();
            my $response = $gateway->request(@body ? 'POST' : 'GET', $target,
                                             @body);
            my $got = $response->status && !$response->complete
                      ? 'cut' : $response->status;

            $wrong++ if $got ne $fault{$target}[1];
        }
    }

    return $wrong > 99 ? 99 : $wrong;
}


sub clients {
    my ($rounds) = @_;
    my @pids = map {
        my $pid = fork() // die "fork: $!\n";
        POSIX::_exit(eval { client($rounds, @$_) } // 100) if $pid == 0;
        $pid;
    } (@groups) x CLIENTS;

    is(sum0(map { waitpid $_, 0; $? >> 8 } @pids), 0,
       'each client gets what it should');

    return;
}


sub all_is_counted {
    my ($title, $rounds) = @_;
    my $each = $rounds * CLIENTS;
    my %responses;

    $responses{ $_->[0] } += $each for values %fault;

    counts_as($gateway, $title, { other => $each * keys %fault }, \%responses,
              sub { clients($rounds) },
              seen => $each * sum0(map { $_->[2] } values %fault),
              retries => $each * sum0(map { $_->[3] } values %fault));

    return settles($gateway, $title);
}


my @workers = $gateway->worker_pids;

all_is_counted('at first', 1);
my $memory = memory($gateway);
all_is_counted('again and again', ROUNDS);
keeps_memory($gateway, 'after that', $memory);

is(scalar $wrong{$_}->received, 0, "nothing is sent to $_")
    for @wrong;
is(join(' ', $gateway->worker_pids), "@workers", 'the workers are the same');
my $counts = counts($gateway);
is($counts->{times}, $counts->{total}, 'each request has its time');

# that these faults were those that are meant

like($gateway->error_log, qr/$_/, "an error tells of it: $_")
    for 'closed connection in SSL handshake', 'alert handshake failure',
        'wrong version number', 'Connection refused',
        'timed out .* while SSL handshaking', 'timed out .* reading response',
        'timed out .* reading upstream', 'certificate has expired',
        'certificate does not match', 'unable to verify the first certificate',
        'prematurely closed connection while reading response',
        'prematurely closed connection while reading upstream';
lacks_secrets($gateway->error_log, 'no error shows the key');
ends_well($gateway);

done_testing();
