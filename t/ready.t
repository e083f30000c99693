#!/usr/bin/perl

# "katalo_status ready" tells probes whether keys can be used: 200, or 503 and a
# line for each key that cannot.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

my %key = map { $_ => new_key($_) } qw(one two three other);
my $up = Katalo::Upstream->new(keys => [values %key]);


# keys that are declared below the location, and two workers

sub http {
    my ($more) = @_;

    return <<"EOC";
    server {
        listen 127.0.0.1:%PORT% reuseport;
        add_header X-Worker \$pid always;
        location = /ready { katalo_status ready; }
        location = /one { katalo_status ready key=production; }
        location = /other { katalo_status ready key=other; }
        location = /both { katalo_status ready key=other key=production; }
        location = /if {
            katalo_status ready key=other;
            if (\$arg_a) { set \$b 1; }
        }
        location = /denied { katalo_status ready; deny all; }
        location = /page { katalo_status ready; error_page 503 =200 /one; }
        location /outer/ {
            katalo_status ready;
            location = /outer/json { katalo_status json; }
        }
        location = /status { katalo_status json; }
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
    }
    $more
    katalo_key production file:%KEY:production% check=100ms;
    katalo_key other file:%KEY:other% check=100ms;
    katalo_key absent file:%KEY:absent% check=100ms optional;
    %UPSTREAM%
EOC
}


my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, http => http(''),
    keys => { production => $key{one}, other => $key{other},
              absent => $key{other} })->start;


sub get { return $gateway->request('GET', @_) }


# Whichever worker is asked.
sub answers {
    my ($target, $status, $body, $title) = @_;
    my (%seen, %worker);

    for (1 .. 200) {
        my $response = get($target);

        $seen{$response->status . ' ' . $response->body} = 1;
        $worker{$response->header('X-Worker')} = 1;
        last if keys %worker == 2;
    }

    die "one worker answers all\n" if keys %worker != 2;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_deeply([keys %seen], ["$status $body"], $title);
}


sub becomes {
    my ($target, $body, $title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_until(sub { get($target)->body eq $body }), $title);

    return answers($target, $body eq "ready\n" ? 200 : 503, $body,
                   'so say all workers');
}


# Each worker looks at the key files at its own time.
sub serves {
    my ($status, $title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return ok(wait_until(sub {
        !grep { get('/katalo/usage/summary')->status != $status } 1 .. 20;
    }), $title);
}


my @targets = qw(/ready /one /other /both /outer/x);
my $ready = get('/ready');

answers($_, 200, "ready\n", "usable keys: $_") for @targets;
is($ready->header('Content-Type'), 'text/plain', 'as text');
is($ready->header('Cache-Control'), 'no-store', 'that is not stored');
is($ready->header('Content-Length'), 6, 'of known length');
is_deeply([$ready->header('Vary')], [], 'whatever a client accepts');
answers("/ready?format=$_", 200, "ready\n", "format=$_ changes nothing")
    for qw(json xml);
is(get('/ready', headers => ['Accept: text/html'])->body, "ready\n",
   'nor does Accept');
is(get('/ready', body => 'x' x 10_000)->status, 200, 'a body is ignored');
is($gateway->request($_, '/ready', body => 'x')->status, 405,
   "$_ is not allowed") for qw(POST PUT DELETE);
is(get('/denied')->status, 403, 'access control applies');
is(get('/outer/json')->header('Content-Type'), 'application/json',
   'a location within has its own format');
is(get('/if?a=1')->body, "ready\n", 'an "if" changes nothing');
is(scalar $up->received, 0, 'nothing is sent to the upstream');


# revoked

$gateway->set_key(production => '');
becomes('/ready', qq(key "production": revoked\n), 'an empty file: revoked');
answers('/one', 503, qq(key "production": revoked\n), 'its own probe');
answers('/both', 503, qq(key "production": revoked\n), 'among several');
answers('/other', 200, "ready\n", 'the other key is usable');
answers('/if?a=1', 200, "ready\n", 'with an "if", too');
answers('/page', 503, qq(key "production": revoked\n),
        'no error_page stands for it');

my $head = $gateway->request('HEAD', '/ready');

is($head->status, 503, 'HEAD has the status');
is($head->body, '', 'and no body');
is($head->header('Content-Length'), length qq(key "production": revoked\n),
   'and its length');
is($head->header('Cache-Control'), 'no-store', 'and is not stored');
is($gateway->request('HEAD', '/other')->status, 200, 'HEAD of a usable key');

$gateway->set_key(other => '');
becomes('/other', qq(key "other": revoked\n), 'the other one, too');
answers('/ready', 503,
        qq(key "production": revoked\nkey "other": revoked\n),
        'a line for each, in the order of the configuration');
answers('/both', 503,
        qq(key "other": revoked\nkey "production": revoked\n),
        'or of the parameters');

ok($gateway->reload, 'a reload');
answers('/both', 503,
        qq(key "other": revoked\nkey "production": revoked\n),
        'after which they are still revoked');

$gateway->set_key(production => $key{one});
$gateway->set_key(other => $key{other});
becomes($_, "ready\n", "keys again: $_") for '/ready', '/both';


# rejected

serves(200, 'the key is accepted');
$up->set_keys(@key{qw(two three)});
serves(401, 'Katalo rejects it');
becomes('/one', qq(key "production": rejected by Katalo\n),
        'the probe says so');
answers('/ready', 503, qq(key "production": rejected by Katalo\n),
        'that of all keys, too');
answers('/other', 200, "ready\n", 'not that of the other key');

ok($gateway->reload, 'a reload');
answers('/one', 503, qq(key "production": rejected by Katalo\n),
        'after which it is still rejected');

$up->set_keys(@key{qw(one two)});
serves(200, 'Katalo accepts it again');
becomes('/one', "ready\n", 'it is ready');

$up->set_keys($key{two});
serves(401, 'it is rejected once more');
becomes('/one', qq(key "production": rejected by Katalo\n), 'and not ready');
$gateway->set_key(production => $key{two});
becomes('/one', "ready\n", 'a new key makes it ready, without a request');

$gateway->set_key(production => '');
becomes('/one', qq(key "production": revoked\n), 'revoked');
$gateway->set_key(production => $key{two});
becomes('/one', "ready\n", 'and usable');


# a source that is bad

$gateway->set_key(production => "bad\n");
ok(wait_until(sub { !$gateway->status->{keys}[0]{source_ok} }), 'a bad file');
answers('/one', 200, "ready\n", 'the last good key is in use');
$gateway->set_key(production => $key{two});


# a restart

$up->set_keys($key{one});
serves(401, 'a rejected key');
becomes('/one', qq(key "production": rejected by Katalo\n), 'and its probe');

my $path = $gateway->prefix . '/keys';

$gateway->stop;
unlink "$path/absent" or die "unlink: $!\n";
$gateway->start;
answers('/ready', 503, qq(key "absent": no usable key\n),
        'an optional key that has never been read');
answers('/both', 200, "ready\n", 'nothing is known of the other keys');
$gateway->set_key(absent => $key{three});
becomes('/ready', "ready\n", 'it is ready once its file is there');

ok($gateway->reload(http => http('katalo_key late file:%KEY:other%;')),
   'another key by a reload');
answers('/ready', 200, "ready\n", 'is usable');

lacks_secrets(join('', map { get($_)->raw } @targets), 'no secret is shown');


# no key at all

ok($gateway->reload(http => 'server { listen 127.0.0.1:%PORT%;
                             location = /ready { katalo_status ready; } }'),
   'a gateway without a key');
is(get('/ready')->status, 200, 'is ready');

lacks_secrets($gateway->error_log, 'no secret is in the error log');

done_testing();
