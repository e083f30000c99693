#!/usr/bin/perl

# The page of katalo_status, as it is sent.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_base64);
use Test::More;

use Katalo::Test qw(:all);

my $gateway = Katalo::Test->new(
    keys => { production => new_key('one') }, http => <<'EOC')->start;
    katalo_key production file:%KEY:production%;
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status; }
        location = /page { katalo_status html; }
    }
EOC

my $page = $gateway->request('GET', '/page');
my $body = $page->body;

is($page->status, 200, 'a page');
is($page->header('Content-Type'), 'text/html; charset=utf-8', 'of HTML');
is($page->header('Cache-Control'), 'no-store', 'that is not stored');
is($page->header('X-Content-Type-Options'), 'nosniff', 'nor sniffed');
is($page->header('Referrer-Policy'), 'no-referrer', 'and names no referrer');
like($body, qr{</html>\s*\z}, 'it is whole');

for ([style => 'style-src'], [script => 'script-src']) {
    my ($element, $directive) = @$_;
    my @inside = $body =~ m{<$element>(.*?)</$element>}sg;

    is(scalar @inside, 1, "one $element");

    my $hash = sha256_base64($inside[0]);
    $hash .= '=' while length($hash) % 4;
    like($page->header('Content-Security-Policy'),
         qr/$directive 'sha256-\Q$hash\E';/, 'is allowed by its hash');
}

like($page->header('Content-Security-Policy'),
     qr/^default-src 'none'; connect-src 'self';/, 'and nothing else is');
unlike($body, qr/<[^>]*\s(?:on\w+|style)\s*=/, 'no handler or style in a tag');
unlike($body, qr/\b(?:src|href)\s*=\s*"?(?!data:|#)[a-z\/]/i,
       'nothing is loaded');

like($body, qr/Failed upstream are answers/, 'words are explained');

is($gateway->request('GET', '/status?format=html')->body, $body,
   'the same by ?format=');

my $browser = $gateway->request('GET', '/status', headers => [
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
]);
is($browser->body, $body, 'and for what a browser accepts');
is($gateway->request('GET', '/status')->header('Content-Type'),
   'application/json', 'but JSON is the default');

is($gateway->request('HEAD', '/page')->body, '', 'HEAD gets no body');

done_testing();
