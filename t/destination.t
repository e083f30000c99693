#!/usr/bin/perl

# A key goes only where its host= says, whatever a client chooses: found out
# when the key is about to be attached, the request ends with 500, and not even
# a connection is made.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Select;
use IO::Socket::INET;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my %hosts = (
    default => '', exact => 'host=app.katalo.ai', suffix => 'host=.katalo.ai',
    below => 'host=.app.katalo.ai', any => 'host=*',
    several => 'host=localhost host=api.katalo.ai',
    case => 'host=APP.Katalo.ai',
    dot => 'host=app.katalo.ai.', address => 'host=127.0.0.1',
    six => 'host=[::1]',
);

my %key = map { $_ => new_key($_) } keys %hosts;
my $up = Katalo::Upstream->new;
my $stranger = Katalo::Upstream->new(certificate => 'untrusted');
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16)
    or die "listen: $!\n";
my $foreign = '127.0.0.1:' . $listener->sockport;

my $gateway = Katalo::Test->new(
    upstream => $up, keys => \%key, http => join "\n", (map {
        "katalo_key $_ file:%KEY:$_% $hosts{$_};" } sort keys %hosts),
    (map { "upstream $_ { server 127.0.0.1:%UPSTREAM_PORT%; }" }
         qw(app.katalo.ai app.katalo.ai. api.katalo.ai katalo.ai localhost)),
    <<'EOC')->start;
    upstream plain.katalo.ai { server 127.0.0.1:%UPSTREAM_PLAIN_PORT%; }
    proxy_ssl_trusted_certificate %CA%;
    log_format decision '$arg_to $katalo_key $katalo_decision $status';
    access_log %PREFIX%/logs/access.log decision;

    server {
        listen 127.0.0.1:%PORT%;
        add_header X-Decision "$katalo_decision" always;
        katalo_bearer $arg_key;

        location / { proxy_pass https://$arg_to; }
        location /name { proxy_ssl_name $arg_name;
                         proxy_pass https://app.katalo.ai; }
        location /both { proxy_ssl_name $arg_name;
                         proxy_pass https://$arg_to; }
        location /fixed { proxy_ssl_name app.katalo.ai;
                          proxy_pass https://$arg_to; }
        location /static { proxy_pass https://app.katalo.ai; }
        location /static-name { proxy_ssl_name localhost;
                                proxy_pass https://app.katalo.ai; }
        location /static-http { katalo_upstream_tls off;
                                proxy_pass http://plain.katalo.ai; }
        location /scheme { proxy_pass $arg_scheme://$arg_to; }
        location /trusted { katalo_upstream_tls off;
                            proxy_ssl_name app.katalo.ai;
                            proxy_pass $arg_scheme://$arg_to; }
        location = /status { katalo_bearer off; katalo_status json; }
    }
EOC


sub ask {
    my ($path, %argument) = @_;
    my $query = join '&', map { "$_=$argument{$_}" } sort keys %argument;

    $up->clear;

    return $gateway->request('GET', "$path?$query&x-status=200");
}


# The decision is what is asked for, and the key arrives only when attached.
sub decides {
    my ($decision, $title, @request) = @_;
    my $response = ask(@request);

    is($response->header('X-Decision'), $decision, "$title: $decision");

    if ($decision eq 'destination') {
        is($response->status, 500, "$title: 500");
        is(scalar $up->received, 0, "$title: nothing is sent");
    }

    return $response;
}


sub arrives {
    my ($title, @request) = @_;
    my %argument = @request[1 .. $#request];

    decides('attached', $title, @request);
    is_deeply([map { $up->auth($_) } $up->received],
              [expects_auth($key{$argument{key}})], "$title: the key arrives");

    return;
}


sub is_left_alone {
    my ($title) = @_;

    ok(!IO::Select->new($listener)->can_read(0), $title);

    return;
}


# forms of host=: what is taken, what is not

my @taken = ([default => 'app.katalo.ai'], [default => 'katalo.ai'],
             [exact => 'app.katalo.ai'], [exact => 'APP.KATALO.AI'],
             [exact => 'app.katalo.ai.'], [suffix => 'api.katalo.ai'],
             [suffix => 'katalo.ai'], [below => 'app.katalo.ai'],
             [several => 'localhost'], [several => 'api.katalo.ai'],
             [case => 'app.katalo.ai'], [dot => 'app.katalo.ai'],
             [dot => 'app.katalo.ai.'], [any => 'localhost']);

arrives("$_->[0] key to $_->[1]", '/', key => $_->[0], to => $_->[1])
    for grep { $_->[1] !~ /\.$/ } @taken;

# no certificate has a dot at its end, nor an address: what counts is that
# nginx goes there
my @tried = (grep({ $_->[1] =~ /\.$/ } @taken),
             map { [$_, '127.0.0.1:1'], [$_, '[::1]:1'] } 'any');
push @tried, [address => '127.0.0.1:1'], [six => '[::1]:1'];

for (@tried) {
    my $response = decides('attached', "$_->[0] key to $_->[1]", '/',
                           key => $_->[0], to => $_->[1]);
    is($response->status, 502, "$_->[0] key to $_->[1]: 502");
}

my @refused = (
    [default => 'localhost'], [default => $foreign], [exact => 'katalo.ai'],
    [exact => 'api.katalo.ai'], [below => 'katalo.ai'],
    [below => 'api.katalo.ai'], [several => 'app.katalo.ai'],
    [suffix => 'localhost'], [address => 'localhost'], [address => '[::1]:1'],
    [six => '[::2]:1'], [six => $foreign], [case => 'api.katalo.ai'],
    [suffix => 'notkatalo.ai'], [suffix => 'katalo.ai.example'],
    [exact => "$foreign/app.katalo.ai"], [exact => "$foreign?app.katalo.ai"],
    [suffix => "$foreign/.katalo.ai"], [exact => "app.katalo.ai\@$foreign"],
    [exact => 'app.katalo.ai..'],
);


sub count {
    my ($key) = grep { $_->{key} eq $_[0] } @{ $gateway->status->{keys} };

    return $key;
}


my %before = map { $_ => count($_) } keys %key;
$gateway->mark_log;
decides('destination', "$_->[0] key to $_->[1]", '/', key => $_->[0],
        to => $_->[1]) for @refused;
is_left_alone('not even a connection is made');

my @errors = $gateway->error_log =~ /katalo: (key "\w+" may not be sent.*)/g;
is(scalar @errors, scalar @refused, 'one error is logged for each');
like($errors[0], qr/^key "default" may not be sent to "localhost": its upstre/,
     'with key and host');
like($errors[0], qr/must be verified TLS and be named by "host="/,
     'and what to do');
like($gateway->access_log, qr/^localhost default destination 500$/m,
     'the access log has key and decision');

for my $name (sort keys %key) {
    my $refused = grep { $_->[0] eq $name } @refused;
    my $now = count($name);

    is($now->{denied}{destination} // 0, $refused,
       "refusals of the $name key are counted");
    is_deeply($now->{ids}, $before{$name}{ids}, 'and not as requests');
    is($now->{in_flight}, 0, 'nothing is in flight');
}

my $response = $gateway->request('POST', "/?key=exact&to=$foreign",
                                 body => 'k' x 100_000);
is($response->status, 500, 'a request with a body is refused');
like($response->header('Content-Type'), qr{^text/html},
     "with nginx's own page");
is($response->header('X-Katalo-Gateway'), undef, 'and no header of its own');
is_left_alone('and sent nowhere');


# a name for the certificate, chosen by the client or fixed

arrives('a good name', '/name', key => 'exact', name => 'app.katalo.ai');
arrives('another good name', '/name', key => 'several', name => 'localhost');
decides('destination', 'a bad name', '/name', key => 'exact',
        name => 'localhost');
is(decides('attached', 'no name', '/name', key => 'exact')->status, 502,
   'no name: no certificate is for it');
is(scalar $up->received, 0, 'no name: nothing is sent');
arrives('the name counts', '/both', key => 'exact', to => 'localhost',
        name => 'app.katalo.ai');
decides('destination', 'not the host', '/both', key => 'exact',
        to => 'app.katalo.ai', name => 'localhost');

# whoever it is must prove that name
$response = ask('/fixed', key => 'exact', to => '127.0.0.1:' . $stranger->port);
is($response->status, 502, 'a stranger by a fixed name');
is(scalar $stranger->received, 0, 'never sees the key');


# a scheme that the client chooses

arrives('https', '/scheme', key => 'suffix', scheme => 'https',
        to => 'app.katalo.ai');
decides('destination', 'plain http', '/scheme', key => 'suffix',
        scheme => 'http', to => 'plain.katalo.ai');
arrives('plain http where it is trusted', '/trusted', key => 'suffix',
        scheme => 'http', to => 'plain.katalo.ai');
decides('destination', 'a trusted network, but a foreign host', '/trusted',
        key => 'exact', scheme => 'http', to => 'plain.katalo.ai');
decides('destination', 'there no certificate makes a name', '/trusted',
        key => 'exact', scheme => 'https', to => 'localhost');


# a destination that is known from the start, a key that is not

arrives('a fixed host', '/static', key => $_) for qw(default exact any below);
decides('destination', 'not the key of a fixed host', '/static', key => $_)
    for qw(several address six);
arrives('a fixed name', '/static-name', key => $_) for qw(several any);
decides('destination', 'not the key of a fixed name', '/static-name',
        key => 'exact');
arrives('plain http to a fixed host', '/static-http', key => $_)
    for qw(suffix any);
decides('destination', 'not the key of that host', '/static-http',
        key => 'exact');

is_left_alone('nobody has connected to the foreign host');
lacks_secrets($gateway->error_log, 'the error log holds no key');

done_testing();
