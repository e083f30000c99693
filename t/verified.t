#!/usr/bin/perl

# "proxy_ssl_name" with variables is evaluated by nginx for each handshake, and
# a key goes only where the name which that handshake verified is a "host=".

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $key = new_key('prod1');
my ($good, $other) = map { Katalo::Upstream->new(keys => [$key]) } 1 .. 2;
my $vars = { GOOD => '127.0.0.1:' . $good->port,
             OTHER => '127.0.0.1:' . $other->port };
my $gateway = Katalo::Test->new(
    upstream => $good, vars => $vars, keys => { production => $key },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production% host=app.katalo.ai;
    proxy_ssl_trusted_certificate %CA%;

    # the certificate of both is for both names
    upstream only { server %GOOD%; }
    upstream wrong { server %OTHER%; }
    upstream both { server %OTHER%; server %GOOD% backup; keepalive 4; }
    upstream kept { server %GOOD%; keepalive 4; }

    map $upstream_addr $each { volatile; %GOOD% app.katalo.ai;
                               default localhost; }
    map $upstream_addr $once { %GOOD% app.katalo.ai; default none; }

    server {
        listen 127.0.0.1:%PORT%;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        katalo_bearer production;
        add_header X-Decision $katalo_decision always;
        proxy_next_upstream error non_idempotent;

        location /only/ { proxy_ssl_name $each;
                          proxy_pass https://only/api/v1/; }
        location /once/ { proxy_ssl_name $once;
                          proxy_pass https://only/api/v1/; }
        location /wrong/ { proxy_ssl_name $each;
                           proxy_pass https://wrong/api/v1/; }
        location /both/ { proxy_ssl_name $each;
                          proxy_pass https://both/api/v1/; }
        location /unbuffered/ { proxy_ssl_name $each;
                                proxy_request_buffering off;
                                proxy_pass https://wrong/api/v1/; }
        location /allowed/ { proxy_ssl_name $each;
                             proxy_request_buffering off;
                             proxy_pass https://only/api/v1/; }
        location /kept/ { proxy_ssl_name $arg_name;
                          proxy_pass https://kept/api/v1/; }
        location = /status { katalo_bearer off; katalo_status json; }
    }
EOC


sub ask {
    my ($title, $decision, $status, @request) = @_;

    $_->clear for $good, $other;

    my $response = $gateway->request(@request);
    is($response->status, $status, "$title: $status");
    is($response->header('X-Decision'), $decision, "$title: $decision");
    is(scalar $other->received, 0, "$title: nothing goes to the other host");

    my @auth = map { $good->auth($_) }
                   $good->received($decision eq 'attached' ? 1 : 0);
    is_deeply(\@auth, [$decision eq 'attached' ? expects_auth($key) : ()],
              "$title: the key goes where it may");

    return;
}


sub get { return ('GET', "/$_[0]/x-status/200" . ($_[1] // '')) }

ask('a name of the peer', 'attached', 200, get('only'));
ask('a value that nginx keeps', 'attached', 200, get('once'));
ask('another name', 'destination', 500, get('wrong'));
ask('with a body', 'destination', 500, 'POST', '/wrong/x-status/200',
    body => 'k' x 100_000);
ask('the first of two', 'destination', 500, get('both'));

# where a body is sent as it comes, nginx knows no other status

ask('a body as it comes', 'destination', 502, 'POST',
    '/unbuffered/x-status/200', body => 'k' x 100_000);
ask('chunks as they come', 'destination', 502, 'POST',
    '/unbuffered/x-status/200', chunked => ['a' x 100_000, 'b']);
ask('chunks to the name of the peer', 'attached', 200, 'POST',
    '/allowed/x-status/200', chunked => ['a' x 100_000, 'b']);

# a kept connection is taken only for a name that it may have

ask('a connection is made', 'attached', 200,
    get('kept', '?name=app.katalo.ai'));
ask('and kept', 'attached', 200, get('kept', '?name=app.katalo.ai'));
ask('not for another name', 'destination', 500, get('kept', '?name=localhost'));

my ($status) = @{ $gateway->status->{keys} };
my ($id) = @{ $status->{ids} };
is($status->{denied}{destination}, 6, 'refusals are counted');
is($id->{requests}{total}, $id->{responses}{200} + $id->{responses}{none},
   'each request has its response');
is($status->{in_flight}, 0, 'none is in flight');
unlike($gateway->error_log, qr/\[alert\]|exited on signal/,
       'nothing went wrong');
lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
