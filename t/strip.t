#!/usr/bin/perl

# What is taken from a client's request: its Authorization always, further
# headers by katalo_strip; and how that is counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my %directives = (
    default => '',
    list => 'katalo_strip X-Api-Key x-TOKEN;',
    one => 'katalo_strip COOKIE;',
    auth => 'katalo_strip authorization;',
    off => 'katalo_strip off;',
    kept => 'proxy_set_header cookie kept; '
            . 'proxy_set_header Proxy-Authorization $arg_proxy;',
    browser => 'katalo_strip Origin; katalo_browser allow;',
    refused => 'katalo_allow usage;',
    denied => 'deny all;',
    nobody => 'katalo_consumer $arg_none;',
    invalid => '');
my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => <<"EOC")->start;
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 8; }
    proxy_ssl_trusted_certificate %CA%;

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        katalo_bearer production;

@{[ map { "location /$_/ { $directives{$_} $proxy }\n" }
        sort keys %directives ]}
        location = /status { katalo_bearer off; katalo_status json; }
    }

    server {
        listen 127.0.0.1:%PORT2%;
        katalo_bearer production;
        katalo_strip X-Outer;
        ignore_invalid_headers off;
        underscores_in_headers on;

        location /inherited/ {
            $proxy
            location /inherited/own/  { katalo_strip X-Own; $proxy }
            location /inherited/none/ { katalo_strip off; $proxy }
        }
    }
EOC

my @credentials = qw(Authorization Cookie Proxy-Authorization X-Api-Key
                     X-Token X-Outer X-Own X-Other);


sub odd {
    my ($name) = @_;
    my $n = 0;

    return $name =~ s/([a-z])/$n++ % 2 ? uc $1 : lc $1/gier;
}


# the names and values of the client's headers that arrived
sub arrived {
    my ($record) = @_;
    my $names = join '|', @credentials;

    return join ', ', map { lc $_->[0] eq 'authorization'
                            && $_->[1] eq expects_auth($key)
                            ? 'the key' : "$_->[0]: $_->[1]" }
                      grep { $_->[0] =~ /^(?:$names)$/i }
                      @{ $record->{headers} };
}


# sends "client" under all of these names, spelled so or so
sub passes {
    my ($path, $spell, $expected, $name, $n) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $up->clear;
    Katalo::Test::Client->new(port => $gateway->port($n))
        ->request('GET', "$path/x-echo?proxy=mine",
                  headers => [map { [$spell->($_), 'client'] } @credentials]);

    return is(arrived(($up->received(1))[0]), $expected, $name);
}


sub clients { return join ', ', map { "$_: client" } @_ }


sub counts {
    my $counts = $gateway->status->{keys}[0]{client_credentials};

    return join ' ', map { $counts->{$_} // 0 } qw(stripped katalo_key);
}


my %spelling = (as => sub { $_[0] }, lower => sub { lc $_[0] },
                upper => sub { uc $_[0] }, odd => \&odd);

for my $case (sort keys %spelling) {
    my $spell = $spelling{$case};
    my $rest = sub { return 'the key, ' . clients(map { $spell->($_) } @_) };

    passes('/default', $spell,
           $rest->(qw(X-Api-Key X-Token X-Outer X-Own X-Other)),
           "by default, Cookie and Proxy-Authorization are taken: $case");
    passes('/list', $spell,
           $rest->(qw(Cookie Proxy-Authorization X-Outer X-Own X-Other)),
           "a list replaces the default: $case");
    passes('/one', $spell,
           $rest->(qw(Proxy-Authorization X-Api-Key X-Token X-Outer X-Own
                      X-Other)), "in any letter case: $case");
    passes("/$_", $spell, $rest->(grep { $_ ne 'Authorization' } @credentials),
           "katalo_strip $_ leaves all but Authorization: $case")
        for qw(off auth);
    passes('/kept', $spell, 'cookie: kept, Proxy-Authorization: mine, '
           . $rest->(qw(X-Api-Key X-Token X-Outer X-Own X-Other)),
           "what the user sets stays the user's: $case");
}

my @outer = qw(Cookie Proxy-Authorization X-Api-Key X-Token);
passes('/inherited', $spelling{as},
       'the key, ' . clients(@outer, qw(X-Own X-Other)),
       "a server's list is inherited", 2);
passes('/inherited/own', $spelling{as},
       'the key, ' . clients(@outer, qw(X-Outer X-Other)),
       "a location's own list replaces it", 2);
passes('/inherited/none', $spelling{as},
       'the key, ' . clients(@outer, qw(X-Outer X-Own X-Other)),
       'and so does off', 2);

# ways to get a second one through
my $ask = "GET /inherited/x-echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
for my $try (
    ['twice', "Authorization: a\r\nauthorization: b\r\n\r\n"],
    ['with a blank before the colon', "Authorization : a\r\n\r\n"],
    ['with a tab before the colon', "Authorization\t: a\r\n\r\n"],
    ['after a blank', " Authorization: a\r\n\r\n"],
    ['folded', "X-Other: a\r\n Authorization: a\r\n\r\n"],
    ['after a bare line feed', "X-Other: a\nAuthorization: a\r\n\r\n"],
    ['after a bare return', "X-Other: a\rAuthorization: a\r\n\r\n"],
    ['in a trailer', "Transfer-Encoding: chunked\r\nTrailer: Authorization"
                     . "\r\n\r\n1\r\na\r\n0\r\nAuthorization: a\r\n\r\n"],
    ['without a value', "Authorization:\r\nAuthorization: \r\n\r\n"])
{
    my ($name, $bytes) = @$try;
    my $client = Katalo::Test::Client->new(port => $gateway->port(2));

    $up->clear;
    $client->write($ask . $bytes);
    my $status = $client->read_response('GET')->status;
    my @lines = map { grep { /^\s*authorization/i }
                           split /[\r\n]+/, $_->{head} } $up->received;

    is_deeply(\@lines, $status == 200 ? ['Authorization: '
                                         . expects_auth($key)] : [],
              "$name: the key alone, or nothing ($status)");
}

for my $case (
    ['GET', '/default', 'stripped', 'Cookie: a'],
    ['GET', '/default', 'stripped', 'proxy-authorization: a'],
    ['GET', '/default', 'stripped', 'Authorization: a', 'Cookie: a'],
    ['GET', '/default', 'none', 'X-Api-Key: a', 'Accept: b'],
    ['GET', '/default', 'none', 'X-Cookie: a', 'Cookies: b', 'Dookie: c'],
    ['GET', '/list', 'stripped', 'x-api-key: a'],
    ['GET', '/list', 'none', 'Cookie: a'],
    ['GET', '/off', 'none', 'Cookie: a', 'Proxy-Authorization: b'],
    ['GET', '/off', 'stripped', 'Authorization:'],
    ['GET', '/auth', 'stripped', 'Authorization: a'],
    ['GET', '/browser', 'stripped', 'Origin: a'],
    ['GET', '/default', 'both', 'Authorization: Bearer ' . new_key('client')],
    ['GET', '/off', 'both', 'authorization: kat_live_a.b'],
    ['GET', '/default', 'both', 'Authorization: bearer KAT_LIVE_a'],
    ['GET', '/default', 'stripped', 'Authorization: Bearer kat_live'],
    ['GET', '/default', 'stripped', 'Cookie: kat_live_a.b'],
    ['GET', '/off', 'none', 'X-Other: kat_live_a.b'],
    ['GET', '/default', 'none', 'Origin: a', 'Cookie: a'],
    ['GET', '/default', 'katalo_key', 'Origin: a',
     'Authorization: Bearer ' . new_key('client')],
    ['GET', '/refused', 'katalo_key', 'Cookie: a',
     'Authorization: Bearer kat_live_a.b'],
    ['GET', '/denied', 'none', 'Authorization: a', 'Cookie: a'],
    ['GET', '/nobody', 'katalo_key', 'Cookie: a',
     'Authorization: Bearer kat_live_a.b'],
    ['OPTIONS', '/default', 'katalo_key', 'Access-Control-Request-Method: a',
     'Authorization: Bearer kat_live_a.b'])
{
    my ($method, $path, $what, @headers) = @$case;
    my ($stripped, $katalo_key) = split ' ', counts();

    $gateway->request($method, "$path/x-echo", headers => [@headers]);

    $stripped++ if $what =~ /stripped|both/;
    $katalo_key++ if $what =~ /katalo_key|both/;
    is(counts(), "$stripped $katalo_key",
       "$path, " . redact(join ', ', @headers) . ": counts $what");
}

SKIP: {
    skip 'no HTTP/2', 3 if !has_feature('v2') || !curl_has('HTTP2');

    my ($stripped, $katalo_key) = split ' ', counts();
    $up->clear;
    curl('--http2', '-H', 'Authorization: Bearer kat_live_a.b',
         '-H', 'Cookie: a=b; c=d', '-H', 'X-Other: client',
         $gateway->tls_url('/default/x-echo'));
    is(arrived(($up->received(1))[0]), 'the key, x-other: client',
       'HTTP/2: taken');
    is(counts(), join(' ', $stripped + 1, $katalo_key + 1),
       'HTTP/2: counted once');

    curl('--http2', '-H', 'Cookie: a=b; c=d',
         $gateway->tls_url('/default/x-echo'));
    is((split ' ', counts())[0], $stripped + 2, 'HTTP/2: a cookie is counted');
}

lacks_secrets($gateway->error_log, 'the error log holds no key');
lacks_secrets($gateway->access_log, 'nor does the access log');

done_testing();
