#!/usr/bin/perl

# A 429 over HTTP/2 that nginx replaces: its body is not read, and what has come
# with its header has the headers of frames.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::HTTP2 qw(frame);
use Katalo::Test::Prepared;

if (!nginx_at_least('1.29.4') || !has_feature('v2')) {
    plan skip_all => 'this nginx speaks no HTTP/2 to upstreams';
}

use constant { BODY => 50_000, HEADER => 20_000,
               DATA => 0, HEADERS => 1, SETTINGS => 4, PING => 6,
               WINDOW_UPDATE => 8, END_STREAM => 1, ACK => 1,
               END_HEADERS => 4 };

my $envelope = '{"error":{"retry_after":' . BODY . '}}';


# Padded with blanks to a number of bytes.
sub body { return frame(DATA, END_STREAM, 1, sprintf "%-$_[0]s", $envelope) }


# Frames that may come between the header and the body; bytes that mean
# something to JSON are in them.
my @between = (
    frame(SETTINGS, ACK, 0, ''), frame(PING, 0, 0, '{"[]}":"'),
    frame(WINDOW_UPDATE, 0, 0, pack 'N', 0x227b5b),
    frame(WINDOW_UPDATE, 0, 1, pack 'N', 34));

# name, time, frames after the header
my @cases = (
    (map { ["$_ bytes", BODY, body($_)] } 34, 91, 93, 123, 125, 40, 290),
    ['more than a buffer', BODY, body(8704)],
    ['an empty frame before', BODY, frame(DATA, 0, 1, ''), body(40)],
    ['an empty frame after', BODY, frame(DATA, 0, 1, $envelope),
     frame(DATA, END_STREAM, 1, '')],
    ['other frames before', BODY, @between, body(91)],
    ['other frames after', BODY, body(91), @between],
    ['a number in two frames', HEADER,
     frame(DATA, 0, 1, '{"error":{"retry_after":7'),
     frame(DATA, END_STREAM, 1, '000}}')],
    ['no body', HEADER, frame(DATA, END_STREAM, 1, '')],
    ['a part of a frame', HEADER, substr frame(PING, 0, 0, 'a' x 8), 0, 12],
    ['a part of its header', HEADER, substr body(40), 0, 9],
);


# Literals that are not indexed (RFC 7541, 6.2.2): ":status" has the index 8.
sub answer {
    my (@frames) = @_;

    return join '', frame(SETTINGS, 0, 0, ''),
        frame(HEADERS, END_HEADERS, 1, "\x08" . pack('C/a', 429)
              . "\0" . join '', map { pack 'C/a', $_ } 'retry-after', HEADER),
        @frames;
}


my $servers = Katalo::Test::Prepared->new(
    map { $_ => answer(@{ $cases[$_] }[2 .. $#{ $cases[$_] }]) } 0 .. $#cases);
my $gateway = Katalo::Test->new(
    keys => { map { $_ => new_key('prod1') } 0 .. $#cases },
    http => <<"EOC")->start;
    @{[ map { "katalo_key k$_ file:%KEY:$_% host=127.0.0.1;\n" } 0 .. $#cases ]}
    katalo_cooldown 1d;
    proxy_intercept_errors on;
    error_page 429 =418 /page;

    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status json; }
        location = /page { return 200 "a page"; }
@{[ map { <<"EOL" } 0 .. $#cases ]}
        location /$_/ {
            katalo_bearer k$_;
            katalo_upstream_tls off;
            proxy_http_version 2;
            proxy_pass http://127.0.0.1:@{[ $servers->port($_) ]}/api/v1/;
        }
EOL
    }
EOC


# How long a class of the key still cools, as one of the times above; seconds
# may be over by now.
sub cools {
    my ($name) = @_;
    my ($row) = grep { $_->{key} eq $name } @{ $gateway->status->{keys} };
    my $left = $row->{cooldown}{usage} // 0;

    return int(($left + 9_999) / 10_000) * 10_000;
}


for my $i (0 .. $#cases) {
    my ($name, $time) = @{ $cases[$i] };
    my $left;

    is($gateway->request('GET', "/$i/usage/summary")->status, 418,
       "$name: a page in place of it");
    ok(wait_until(sub { ($left = cools("k$i")) == $time }), "$name: $time s")
        or diag("it is $left s");
}

unlike($gateway->error_log, qr/\[(?:alert|crit|emerg)\]/, 'nothing went wrong');

done_testing();
