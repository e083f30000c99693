#!/usr/bin/perl

# The pacing of docs/limits.md: classes and consumers have allowances of their
# own, and a greedy consumer takes nothing of another one's share.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Time::HiRes qw(time);

use Katalo::Test qw(:all);
use Katalo::Test::Load;
use Katalo::Test::Recipe qw(recipe localize);
use Katalo::Upstream;

my %consumer = (catalogue => 'client', shop => 'other_client',
                stranger => 'stranger');

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $recipe = localize(recipe('docs/limits.md', 'nginx http', qr/limit_req/))
             =~ s/CN=(\w+)"/CN=katalo test $consumer{$1}"/gr;

my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => http($recipe));


# what may wait, for a key
my $of_key = qr/zone=(?:write|read|usage) +burst=/;


sub http {
    return "katalo_key production file:%KEY:production%;\n%UPSTREAM%\n$_[0]";
}


sub connection_of {
    my ($name) = @_;

    return (port => $gateway->port(8443), tls => 1,
            certificate => $consumer{$name});
}


# the statuses that a consumer gets
sub statuses {
    my ($name, $method, $path, $n, @headers) = @_;
    my $client = $gateway->connection(connection_of($name));

    return join ' ', map {
        $client->request($method, "/katalo/$path?x-status=200",
                         headers => [@headers])->status
    } 1 .. $n;
}


# a greedy consumer and one within its share: what waits is fewer than usual,
# so that few clients are greedy

my $room = $recipe =~ s/(_share .*burst=)\d+/${1}4/gr
                   =~ s/($of_key)\d+/${1}12/gr;

$gateway->configure(http => http($room));
$gateway->start;

my ($share) = $recipe =~ /zone=read_share:\S+ +rate=(\d+)r/;
my $start = time;
my $load = Katalo::Test::Load->start(
    $gateway, clients => 14, pause => 0.005, requests => 1000,
    connection => [connection_of('shop')]);

ok(wait_until(sub { $gateway->access_log =~ /" 429 / }),
   'a greedy consumer is limited');

my $modest = statuses('catalogue', 'GET', 'generations/a', 40);
is($modest, join(' ', (200) x 40), 'another one has its share');

my $outcome = $load->stop;
my $refused = delete $outcome->{answered}{429};
my $most = 1 + 4 + (time - $start) * $share / 60;

cmp_ok($refused, '>', 0, 'while the greedy one is limited');
cmp_ok(Katalo::Test::Load::answers($outcome), '<=', $most,
       'to its own share');
is(scalar @{ $outcome->{broken} }, 0, 'all have answers');
$gateway->quit;


# with one request a minute, and two more at once, what counts is the order

$gateway->configure(
    http => http($recipe =~ s/rate=\d+/rate=1/gr
                         =~ s/burst=\d+/burst=2 nodelay/gr
                         =~ s/($of_key)\d+/${1}5/gr));
$gateway->start;

is(statuses('catalogue', 'POST', 'generations', 3, 'Origin: https://a.example'),
   '403 403 403', 'a call of a browser is refused');
is(statuses('stranger', 'POST', 'generations', 9), join(' ', (403) x 9),
   'and so is a stranger');
is(statuses('catalogue', 'POST', 'generations', 4), '200 200 200 429',
   'which uses nothing of the allowance');
is(statuses('catalogue', 'POST', 'generations/a/regenerate', 1), '429',
   'that is the one of all writes');
is(statuses('catalogue', 'GET', 'generations/a', 4), '200 200 200 429',
   'reads have their own');
is(statuses('catalogue', 'GET', 'usage/summary', 2) . ' '
   . statuses('catalogue', 'GET', 'billing/events', 2), '200 200 200 429',
   'usage and billing have one together');
is(statuses('catalogue', 'GET', 'elsewhere', 9), join(' ', (200) x 9),
   'others have none');
is(statuses('shop', 'POST', 'generations', 4), '200 200 200 429',
   'another consumer has its own');
is(statuses('shop', 'GET', 'generations/a', 4), '200 200 200 429',
   'for each class');

my $answer = $gateway->request('POST', '/katalo/generations',
                               connection_of('shop'));
is($answer->json->{error}{code}, 'rate_limited', 'a 429 has an envelope');
is(scalar $answer->header('X-Katalo-Gateway'), 'nginx', 'of the gateway');
$gateway->quit;


# the key's own allowance, and requests at once

$gateway->configure(
    http => http($recipe =~ s/rate=\d+/rate=1/gr
                         =~ s/burst=\d+/burst=2 nodelay/gr));
$gateway->start;

is(statuses('catalogue', 'POST', 'generations', 2), '200 200',
   'two consumers');
is(statuses('shop', 'POST', 'generations', 2), '200 429',
   'have no more than the key');
is(statuses('catalogue', 'POST', 'generations', 1), '429', 'however it comes');

$up->clear;

my ($most_at_once) = $recipe =~ /limit_conn  at_once  (\d+);/;
my @held = map { $gateway->connection(connection_of('shop')) }
               1 .. $most_at_once;

$_->write("GET /katalo/x-hold HTTP/1.1\r\nHost: localhost\r\n\r\n") for @held;
$up->received($most_at_once);

is(statuses('catalogue', 'GET', 'elsewhere', 1), '429',
   "there are $most_at_once requests at once");

$up->release;
is(scalar(grep { $_->read_response('GET')->status == 200 } @held),
   $most_at_once, 'which are answered');
is(statuses('catalogue', 'GET', 'elsewhere', 1), '200', 'then there is room');

$gateway->quit;


# those that wait are not among them; what cools down uses allowance

$gateway->configure(http => http($recipe =~ s/rate=\d+/rate=1/gr
                                         =~ s/(at_once  )\d+/${1}1/r));
$gateway->start;
$gateway->mark_log;

is(statuses('catalogue', 'POST', 'generations', 1), '200', 'one is sent');

my $waiting = $gateway->connection(connection_of('catalogue'));
$waiting->write("POST /katalo/generations HTTP/1.1\r\nHost: localhost\r\n"
                . "Content-Length: 0\r\n\r\n");
ok($gateway->wait_for_log(qr/delaying request/), 'the next one waits');
is(statuses('catalogue', 'GET', 'elsewhere', 1), '200',
   'and is not among those at once');
$waiting->close;
$gateway->quit;

$gateway->configure(
    http => http($recipe =~ s/rate=\d+/rate=1/gr
                         =~ s/burst=\d+/burst=2 nodelay/gr));
$gateway->start;

my @by = map {
    $gateway->request('GET', '/katalo/usage/summary?x-rate-limit=3600',
                      connection_of('shop'))->header('X-Katalo-Gateway')
    // 'Katalo'
} 1 .. 4;
is("@by", 'Katalo cooldown cooldown nginx', 'a cool-down uses allowance');

unlike($gateway->error_log, qr/\[alert\]|\[crit\]/, 'nothing went wrong');
lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
