#!/usr/bin/perl

# Clients that go at each stage, send byte by byte, stop, pipeline, or send
# garbage, over HTTP/1, TLS and HTTP/2, many at once: a request counts if it was
# complete enough to have the key, and then once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw(shuffle sum0);
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(sleep);

use Katalo::Test qw(:all);
use Katalo::Test::Counts qw(counts);
use Katalo::Test::HTTP2 qw(frame preface headers rst_stream frame_types);
use Katalo::Test::Health qw(settles memory keeps_memory ends_well);
use Katalo::Upstream;

use constant { CLIENTS => 4, ROUNDS => 4, PIPELINED => 10 };

plan skip_all => 'this nginx has no HTTP/2' if !has_feature('http_v2');

my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, keys => { production => new_key() },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production%;
    katalo_bearer production;
    access_log off;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%PORT2% http2;
        listen 127.0.0.1:%TLS_PORT% ssl;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        location / { proxy_pass https://app.katalo.ai; }
        location /unbuffered/ {
            proxy_request_buffering off;
            proxy_pass https://app.katalo.ai/;
        }
        location /early/ {
            proxy_request_buffering off;
            proxy_pass https://app.katalo.ai/;
        }
        location = /status { katalo_status json; }
    }
    server {
        listen 127.0.0.1:%PORT3%;
        listen 127.0.0.1:%PORT4% http2;
        client_header_timeout 3s;
        location / { proxy_pass https://app.katalo.ai; }
    }
    server {
        listen 127.0.0.1:%PORT5%;
        client_body_timeout 3s;
        location / { proxy_pass https://app.katalo.ai; }
        location /unbuffered/ {
            proxy_request_buffering off;
            proxy_pass https://app.katalo.ai/;
        }
    }
EOC


sub line { return "$_[0] $_[1] HTTP/1.1\r\nHost: x\r\n" }

sub get { return line('GET', $_[0]) . "\r\n" }

sub post { return line('POST', $_[0]) . "Content-Length: 1000\r\n\r\n" }

sub garbage { return join '', map { chr int rand 256 } 1 .. 20 + rand 3000 }


sub client {
    my ($bytes, %option) = @_;
    my $client = $gateway->connection(%option);

    $client->write($bytes);

    return $client;
}


# Where the server waits for three seconds only: for a header, or a body.
sub stopping { return client($_[0], port => $gateway->port($_[1])) }

sub h2 {
    my ($bytes, $n) = @_;

    return client(preface() . $bytes, port => $gateway->port($n // 2));
}


sub leave { return $_[0]->close }


# In the middle of the answer, by a reset.
sub leave_early {
    my ($client) = @_;

    sysread $client->{socket}, my $bytes, 100;
    setsockopt $client->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);

    return $bytes =~ m{^HTTP/1.1 200} && $client->close;
}


sub is_answered { return $_[0]->read_response('GET')->status == 200 }


sub slowly {
    my ($before, $text, $size) = @_;
    my $client = client($before);

    for (unpack "(a$size)*", $text) {
        $client->write($_);
        sleep 0.002;
    }

    return is_answered($client);
}


sub pipelined { return join '', map { get("/x-status/20$_") }
                                    0 .. PIPELINED - 1 }


# name => [requests, what they count as, the client, whether it was treated as
# it should]; where the client goes, the upstream need not have it

my %fault = (
    'a header byte by byte' => [1, 200, sub {
        slowly('', get('/x-status/200'), 1)
    }],
    'a body in pieces' => [1, 200, sub {
        slowly(post('/x-status/200'), 'b' x 1000, 50)
    }],
    'pipelined' => [PIPELINED, [200 .. 199 + PIPELINED], sub {
        my $client = client(pipelined());
        return !grep { $client->read_response('GET')->status != $_
                       && $_ != 204 } 200 .. 199 + PIPELINED;
    }],

    'nothing' => [0, '', sub { leave(client('')) }],
    'half a line' => [0, '', sub { leave(client('GET /x-ec')) }],
    'half a header' => [0, '', sub { leave(client(line('GET', '/x'))) }],
    'a header that stops' => [0, '', sub {
        stopping(line('GET', '/x'), 3)->is_closed
    }],
    'half a body' => [0, '', sub { leave(client(post('/x') . 'b' x 500)) }],
    'a body that stops' => [0, '', sub {
        stopping(post('/x') . 'b' x 500, 5)->is_closed
    }],
    'half a body, answered before, and gone' => [1, 200, sub {
        leave_early(client(post('/early/x-size/3000000/x-early')
                           . 'b' x 500))
    }],
    'a body that stops, unbuffered' => [1, 'none', sub {
        stopping(post('/unbuffered/x-echo') . 'b' x 500, 5)->is_closed
    }],
    'gone before the answer' => [1, 'none', sub {
        leave(client(get('/x-hang')))
    }],
    'gone in the answer' => [1, 200, sub {
        leave_early(client(get('/x-size/3000000')))
    }],

    'garbage' => [0, '', sub { client("\1" . garbage())->is_closed }],
    'garbage in a header' => [0, '', sub {
        client(line('GET', '/x') . "\0\r\n\r\n")->read_response('GET')->status
        == 400
    }],
    'garbage after a request' => [1, 200, sub {
        my $client = client(get('/x-status/200') . "\1\2\3" . garbage()
                            . "\r\n\r\n");
        return is_answered($client) && $client->is_closed;
    }],

    'TLS without a request' => [0, '', sub {
        leave(client('', tls => 1))
    }],
    'half a TLS handshake' => [0, '', sub {
        leave(client("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . 'r' x 40,
                     port => $gateway->tls_port))
    }],
    'garbage for TLS' => [0, '', sub {
        client("\1\0" . garbage(), port => $gateway->tls_port)->is_closed
    }],

    'HTTP/2' => [2, '200 202', sub {
        my $client = h2(headers(1, 'GET', '/x-status/200')
                        . headers(3, 'GET', '/x-status/202'));
        return wait_until(sub {
            $client->is_closed(0);
            return 2 == grep { $_ == 1 } frame_types($client->{buffer});
        });
    }],
    'HTTP/2, reset' => [2, 'none none', sub {
        my $client = h2(join '', map { headers($_, 'GET', '/x-hang')
                                       . rst_stream($_) } 1, 3);
        return leave($client);
    }],
    'HTTP/2, gone' => [1, 'none', sub {
        leave(h2(headers(1, 'GET', '/x-hang')))
    }],
    'HTTP/2, garbage' => [0, '', sub {
        h2("\xff\xff\xff" . garbage(), 4)->is_closed
    }],
    'HTTP/2, a header that is none' => [0, '', sub {
        h2(frame(1, 5, 1, "\xff" x 20))->is_closed
    }],
    'HTTP/2, half a header' => [0, '', sub {
        leave(h2(substr headers(1, 'GET', '/x'), 0, 20))
    }],
);


sub expected {
    my ($times) = @_;
    my %responses;

    for my $fault (values %fault) {
        my $statuses = $fault->[1];
        $responses{$_} += $times
            for map { /^(?:20[0-2]|none)$/ ? $_ : '2xx' }
                ref $statuses ? @$statuses : split ' ', $statuses;
    }

    return ($times * sum0(map { $_->[0] } values %fault), \%responses);
}


# Each client does all of it; its exit code is how often it was not treated as
# it should have been.
sub rounds {
    my ($rounds) = @_;
    my @pids = map {
        my $pid = fork() // die "fork: $!\n";
        if ($pid == 0) {
            my @wrong = map { srand($$ + $_); map {
                eval { $fault{$_}[2]->() } ? () : $_ } shuffle keys %fault
            } 1 .. $rounds;
            diag("wrong: @wrong") if @wrong;
            POSIX::_exit(@wrong > 99 ? 99 : scalar @wrong);
        }
        $pid;
    } 1 .. CLIENTS;

    return sum0(map { waitpid $_, 0; $? >> 8 } @pids);
}


# Since the start: what a client left behind may arrive late.
my ($rounds_done, $before) = (0, counts($gateway));


sub all_is_counted {
    my ($title, $rounds) = @_;
    my ($requests, $responses) = expected(($rounds_done += $rounds) * CLIENTS);

    is(rounds($rounds), 0, "$title: each client is treated as it should");

    # a client may be gone before the worker begins with its request

    my $now;
    wait_until(sub {
        $now = counts($gateway);
        return $now->{total} - $before->{total} >= $requests
               && $now->{times} - $before->{times} >= $requests
               && sum0(values %{ $now->{responses} })
                  - sum0(values %{ $before->{responses} }) >= $requests;
    });
    settles($gateway, $title);

    my %new = map { $_ => $now->{responses}{$_}
                          - ($before->{responses}{$_} // 0) }
              keys %{ $now->{responses} };

    is($now->{total} - $before->{total}, $requests, "$title: requests");
    is_deeply({ map { $_ => $new{$_} } grep { $new{$_} } keys %new },
              $responses, "$title: responses");
    is($now->{times} - $before->{times}, $requests, "$title: times");

    my $received = $up->targets;
    cmp_ok($received, '<=', $requests, "$title: not more has arrived");
    cmp_ok($received, '>=', $requests - ($responses->{none} // 0),
           "$title: and what was answered has");

    return;
}


my @workers = $gateway->worker_pids;

all_is_counted('at first', 1);
my $memory = memory($gateway);
all_is_counted('again and again', ROUNDS);
keeps_memory($gateway, 'after that', $memory);
is(join(' ', $gateway->worker_pids), "@workers", 'the workers are the same');
ends_well($gateway);

done_testing();
