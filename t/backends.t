#!/usr/bin/perl

# A backend is never taken for a browser: HTTP clients as they are, with the
# headers that they send by themselves.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Digest::SHA qw(sha256_hex);
use File::Temp;

use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);
use Katalo::Upstream qw(expects_auth);

# seconds that a busy machine may take to build a program
use constant PATIENCE => 900;

my $clients = "$FindBin::Bin/clients";
my $temp = File::Temp->newdir;
my @json = ('Content-Type: application/json', '[1]');

# name, User-Agent, GET, and POST where it is not GET with the body added;
# these are Debian's packages, so not what else may be first in PATH
my @backends = (
    ['curl', qr{^curl/}, ['curl', '-sSf'],
     ['curl', '-sSf', '-H', $json[0], '-d', $json[1]]],
    ['wget', qr{^Wget/}, ['wget', '-nv', '-O/dev/null'],
     ['wget', '-nv', '-O/dev/null', "--header=$json[0]",
      "--post-data=$json[1]"]],
    ['Node.js fetch', qr{^(?:node|undici)$},
     ['/usr/bin/node', "$clients/node_fetch.mjs"]],
    ['Node.js http', undef, ['/usr/bin/node', "$clients/node_http.mjs"]],
    (map { ["Python $_->[0]", $_->[1],
            ['/usr/bin/python3', "$clients/python_$_->[0].py"]] }
         ['urllib', qr{^Python-urllib/}], ['requests', qr{^python-requests/}],
         ['httpx', qr{^python-httpx/}], ['aiohttp', qr{^Python/.* aiohttp/}]),
    ['Perl LWP', qr{^libwww-perl/}, ['/usr/bin/perl', "$clients/perl_lwp.pl"]],
    ['Java HttpClient', qr{^Java-http-client/},
     ['/usr/bin/java', "$clients/JavaClient.java"]],
    ['Go net/http', qr{^Go-http-client/}, ["$temp/go_http"]],
);

delete @ENV{grep { /_proxy$/i } keys %ENV};


# runs it to its end; true if it was content with it
sub run {
    my (@command) = @_;
    my $output = "$temp/output";

    unlink $output;

    my $process = Katalo::Test::Process->spawn(command => \@command,
                                               output => $output);
    wait_until(sub { !$process->is_running }, PATIENCE);
    my $failed = $process->stop;

    diag("@command: ", redact(slurp($output)),
         'are all packages of "make deps" there?') if $failed;

    return !$failed;
}


{
    local @ENV{qw(GO111MODULE CGO_ENABLED GOTOOLCHAIN)} = ('off', 0, 'local');
    local $ENV{HOME} = $ENV{HOME} // $temp;

    ok(run('/usr/bin/go', 'build', '-o', "$temp/go_http",
           "$clients/go_http.go"), 'the Go program is built');
}

diag('Node.js ', `/usr/bin/node --version`);

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => gateway_http(upstream => 'KEPT_UPSTREAM'))->start;

my $url = $gateway->url('/katalo/x-status/200');

for my $backend (@backends) {
    my ($name, $agent, $get, $post) = @$backend;

    for my $method (qw(GET POST)) {
        my @command = $method eq 'GET' ? (@$get, $url)
                      : $post ? (@$post, $url) : (@$get, $url, $json[1]);

        $up->clear;
        ok(run(@command), "$name: $method succeeds") or next;

        my ($record) = $up->received(1);
        is($record->{method}, $method, 'as what it is');
        is_deeply([$up->auth($record)], [expects_auth($key)],
                  'with the key');

        my ($said) = $up->values($record, 'User-Agent');
        ok($agent ? ($said // '') =~ $agent : !defined $said,
           'by the client itself') or diag($said // 'no User-Agent');

        is($record->{body_sha256},
           sha256_hex($method eq 'GET' ? '' : $json[1]), 'and the body');
    }
}

my $denied = $gateway->status->{keys}[0]{denied};
is(join(' ', grep { $denied->{$_} } sort keys %$denied), '',
   'none was taken for a browser');

done_testing();
