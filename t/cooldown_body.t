#!/usr/bin/perl

# What a 429 says of the time, in its body or header; the body passes on as it
# came.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

# Times are so far apart that none is taken for another one, however long it
# takes to look; 10,000 are as much as katalo_cooldown allows.
use constant { BODY => 7000, HEADER => 4000, MOST => 10_000 };

my $header = 'Retry-After:' . HEADER;


sub envelope { return '{"error":{"code":"rate_limited","retry_after":'
                      . $_[0] . ',"retryable":true}}' }


# so many seconds after the request
sub retry_after_date {
    my @t = gmtime(time + $_[0]);

    return sprintf 'x-header=Retry-After:%s, %02d %s %d %02d:%02d:%02d GMT',
                   (qw(Sun Mon Tue Wed Thu Fri Sat))[$t[6]], $t[3],
                   (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[$t[4]],
                   $t[5] + 1900, @t[2, 1, 0];
}


# name, time, body, further wishes; the header is there unless a wish says "-"
my @cases = (
    ['a number', BODY, envelope(7000)],
    ['a fraction', BODY, envelope('6999.25')],
    ['an exponent', BODY, envelope('7e3')],
    ['another one', BODY, envelope('0.7E+04')],
    ['a negative exponent', BODY, envelope('700000e-2')],
    ['more digits than count', BODY, envelope('7000.' . '0' x 300 . '1')],
    ['white space', BODY, qq( \n{"error" :\t{ "retry_after" : 7000 }\r\n}\n)],
    ['too much', MOST, envelope(99_999)],
    ['a huge number', MOST, envelope('9' x 400)],
    ['more than a number can be', MOST, envelope('1e999')],
    ['zero', 0, envelope('0')],
    ['zero times anything', 0, envelope('0e999')],
    ['minus zero', 0, envelope('-0.0')],
    ['a negative number', 0, envelope('-1')],
    ['null', HEADER, envelope('null')],
    ['a string', HEADER, envelope('"7000"')],
    ['an array', HEADER, envelope('[7000]')],
    ['an object', HEADER, envelope('{"retry_after":7000}')],
    ['no digit', HEADER, envelope('-')],
    ['no digit in an exponent', HEADER, envelope('7000e')],
    ['hexadecimal', HEADER, envelope('0x1b58')],
    ['a number with a tail', HEADER, envelope('7000s')],
    ['cut off in the number', HEADER, '{"error":{"retry_after":700'],
    ['cut off after it', BODY, '{"error":{"retry_after":7000,'],
    ['a name that begins alike', HEADER,
     '{"error":{"retry_after_":7000,"retry_afte":7000,"retry":7000}}'],
    ['a string that contains it', BODY,
     '{"error":{"message":"\"retry_after\":1,","retry_after":7000}}'],
    ['a string that is like all of it', BODY,
     '{"x":"{\"error\":{\"retry_after\":1}}","error":{"retry_after":7000}}'],
    ['a value that is like its name', BODY,
     '{"x":"error","y":{"retry_after":1},"error":{"code":"retry_after",'
     . '"retry_after":7000}}'],
    ['a string that ends with a backslash', BODY,
     '{"error":{"message":"}}\\\\","retry_after":7000}}'],
    ['outside of error', HEADER, '{"retry_after":7000,"error":{}}'],
    ['deeper', HEADER, '{"error":{"error":{"retry_after":7000}}}'],
    ['of another object', HEADER, '{"x":{"error":{"retry_after":7000}}}'],
    ['in an array', HEADER, '[{"error":{"retry_after":7000}}]'],
    ['an error in an array', HEADER, '{"error":[{"retry_after":7000}]}'],
    ['after all kinds of values', BODY,
     '{"a":[],"b":{},"c":[1,[true,{"d":null}],-2.5e3],"e":"\u00e9\n",'
     . '"error":{"x":false,"retry_after":7000}}'],
    ['after what is nested', BODY, '{"x":' . '[' x 1000 . ']' x 1000
     . ',"error":{"retry_after":7000}}'],
    ['no JSON after', BODY, '{"error":{"retry_after":7000},,,'],
    ['no JSON', HEADER, '<html>429</html>'],
    ['bytes of all kinds', HEADER, join '', map { chr } 1 .. 127],
    ['no body', HEADER, ''],
    ['a byte at a time', BODY, envelope(7000), 'x-pieces=1'],
    ['a byte in a chunk', BODY, envelope(7000), 'x-pieces=1', 'x-chunked'],
    ['one chunk', BODY, envelope(7000), 'x-chunked'],
    ['a large body', BODY, envelope(7000), 'x-pad=300000'],
    ['a large body in chunks', BODY, envelope(7000), 'x-pad=300000',
     'x-pieces=9000', 'x-chunked'],
    ['among the first 4 kB', BODY, '{"x":"' . 'x' x 4000 . '",'
     . substr envelope(7000), 1],
    ['too late', HEADER, '{"x":"' . 'x' x 4096 . '",'
     . substr envelope(7000), 1],
    ['at the end of what is read', HEADER, '{"x":"' . 'x' x 4062 . '",'
     . '"error":{"retry_after":7000000}}'],
    ['compressed', HEADER, envelope(7000), 'x-gzip'],
    ['the end of the connection', BODY, envelope(7000), 'x-last'],
    ['a header with too much', MOST, '', 'x-header=Retry-After:999999999999'],
    ['more than a number of the header', MOST, '',
     'x-header=Retry-After:' . '9' x 40],
    ['a header with 0', 0, '', 'x-header=Retry-After:0'],
    ['a negative header', 0, '', 'x-header=Retry-After:-5'],
    ['a date', HEADER, '', sub { retry_after_date(HEADER) }],
    ['a past date', 0, '', sub { retry_after_date(-60) }],
    ['no date', 1, '', 'x-header=Retry-After:soon'],
    ['a fraction in a header', 1, '', 'x-header=Retry-After:4000.5'],
    ['an empty header', 1, '', 'x-header=Retry-After:'],
    ['nothing', 1, '{}', '-'],
);
my @ways = ('buffered', 'unbuffered');
my @keys = map { my $way = $_; map { "$way-$_" } 0 .. $#cases } @ways;

push @keys, 'page';

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { map { $_ => $key } @keys },
    http => <<"EOC")->start;
    @{[ map { "katalo_key $_ file:%KEY:$_%;\n" } @keys ]}
    katalo_zone 4m;
    katalo_cooldown @{[ MOST ]}s;
    %KEPT_UPSTREAM%
    gzip on;
    gzip_types *;
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status json; }
        katalo_bearer \$arg_key;
        location /buffered/ { proxy_pass https://app.katalo.ai/api/v1/; }
        location /unbuffered/ { proxy_pass https://app.katalo.ai/api/v1/;
                                proxy_buffering off; }
        location = /gone { error_page 410 =200 /buffered/usage/summary?\$args;
                           return 410; }
    }
EOC


sub escaped {
    my ($text) = @_;

    $text =~ s/([^A-Za-z0-9_.=:-])/sprintf '%%%02x', ord $1/ge;

    return $text;
}


# How long a class of the key still cools, as one of the times above; a second
# may be over by now.  JSON with so many keys is not decoded each time.
sub cools {
    my ($name) = @_;
    my $status = $gateway->request('GET', '/status')->body;
    my ($cooldown) = $status =~ /"key":"\Q$name\E",[^\[]*"cooldown":\{(.*?)\}/
        or die "no key $name\n";
    my $left = $cooldown =~ /"usage":(\d+)/ ? $1 : 0;

    return $left > 3 ? int(($left + 999) / 1000) * 1000 : $left;
}


for my $way (@ways) {
    for my $i (0 .. $#cases) {
        my ($name, $time, $body, @wishes) = @{ $cases[$i] };

        @wishes = map { ref $_ ? $_->() : $_ } @wishes;

        my @also = grep { $_ ne '-' } @wishes;

        unshift @also, "x-header=$header"
            if !grep { /^-|x-header/ } @wishes;

        my $response = $gateway->request('GET', join '&',
            "/$way/usage/summary?key=$way-$i", 'x-status=429',
            map { escaped($_) } "x-body=$body", @also);
        my ($pad) = map { /^x-pad=(\d+)/ } @wishes;

        is($response->status, 429, "$way, $name: passes on");
        ok($response->complete && (grep { $_ eq 'x-gzip' } @wishes
           or $response->body eq $body . ' ' x ($pad // 0)),
           "$way, $name: the body as it came");

        my $left;

        ok(wait_until(sub {
            $left = cools("$way-$i");
            return $time == 1 ? $left <= 1 : $left == $time;
        }), "$way, $name: $time s") or diag("it is $left s");
    }
}

# an error_page has a status of its own

my $response = $gateway->request('GET', '/gone?key=page&x-status=429&'
    . escaped("x-body=@{[ envelope(7000) ]}") . "&x-header=$header");
my $left;

is($response->status, 200, 'an error_page with =200: its status');
is($response->body, envelope(7000), 'the body as it came');
ok(wait_until(sub { ($left = cools('page')) == BODY }),
   'the time is that of the body') or diag("it is $left s");

unlike($gateway->error_log, qr/\[(?:alert|crit|emerg)\]/, 'nothing went wrong');

done_testing();
