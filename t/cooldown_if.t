#!/usr/bin/perl

# "if" and cool-downs: nginx calls a handler there that may be another one than
# that of the location around, or the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';


sub http {
    my ($location) = @_;

    return <<"EOC";
        katalo_key one file:%KEY:one%;
        %KEPT_UPSTREAM%
        server {
            listen 127.0.0.1:%PORT%;
            location / { $proxy $location }
        }
EOC
}


my $gateway = Katalo::Test->new(
    upstream => $up, keys => { one => $key },
    http => http('if ($arg_if) { katalo_bearer one; }'))->start;


sub call {
    my ($target) = @_;
    my $response = $gateway->request('GET', $target);
    my $decision = $response->header('X-Katalo-Gateway');

    return join ' ', $response->status, grep { defined } $decision;
}


is(call('/usage/summary?if=1'), '200', 'no key but in an if: it is sent');
is(call('/usage/summary'), '401', 'and none elsewhere');
is(call('/usage/summary?if=1&x-rate-limit=50000'), '429', 'a 429');
ok(wait_until(sub { call('/usage/summary?if=1') eq '429 cooldown' }),
   'is obeyed in the if');
is(call('/usage/summary'), '401', 'and not elsewhere');

my $other = http('katalo_bearer one;'
                 . 'if ($arg_other) { fastcgi_pass 127.0.0.1:%PORT2%; }');

SKIP: {
    skip 'this nginx inherits no proxy_pass there', 4
        if ($gateway->test_config($other))[0] != 0;

    ok($gateway->reload(http => $other, gone => 1),
       "another module's handler");
    $up->clear;
    is(call('/x-echo?other=1'), '502', 'is called');
    is(scalar $up->received, 0, 'and not that of the location around');
    is(call('/x-echo'), '200', 'which is called otherwise');
}

unlike($gateway->error_log, qr/\[(?:alert|crit)\]/, 'nothing went wrong');

done_testing();
