#!/usr/bin/perl

# The status page with thousands of keys: how much is shown and kept, what an
# update costs, and how soon a key press is answered.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);

use Katalo::Browser;
use Katalo::Test qw(:all);
use Katalo::Upstream;

use constant { KEYS => 3000, TRIES => 5, COPIES => 6 };

my @names = map { sprintf 'tenant.%04d', $_ } 1 .. KEYS;
my %key = map { $_ => new_key("01J$_" =~ s/\.//r) } @names;
my $up = Katalo::Upstream->new;


sub http {
    my @keys = @_;

    return join("\n", map { "katalo_key $_ file:%KEY:$_% check=off;" } @keys)
           . <<'EOC';

    katalo_zone 128m;
    map $arg_key $name { default $arg_key; }
    proxy_ssl_trusted_certificate %CA%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer $name;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status; }
    }
EOC
}


my $gateway = Katalo::Test->new(upstream => $up, keys => \%key,
                                http => http(@names))->start;
my $json = $gateway->request('GET', '/status')->raw;
my $browser = Katalo::Browser->new;
my $page = $browser->page;

# processor time: what else the machine does can only add to it, so one try
# without that is enough
$page->send('Performance.enable', timeDomain => 'threadTicks');


sub metric {
    my ($name) = @_;
    my ($metric) = grep { $_->{name} eq $name }
                        @{ $page->send('Performance.getMetrics')->{metrics} };

    return $metric->{value};
}


# What the sub takes of it.
sub busy {
    my ($code) = @_;
    my $before = metric('TaskDuration');

    $code->();

    return metric('TaskDuration') - $before;
}


# How fast this machine is at present: what a copy of the status takes.
sub copy {
    my $copies = 'for (let i = 0; i < 5; i++) '
                 . 'JSON.parse(JSON.stringify(status)); 0';

    return busy(sub { $page->value($copies) }) / 5;
}


my $pause = 'document.getElementById("pause").click()';


# What the page keeps, once it is at rest.
sub heap {
    my ($heap, $before) = (0);

    $page->value($pause);
    wait_until(sub {
        $before = $heap;
        $page->send('HeapProfiler.collectGarbage') for 1 .. 2;
        $heap = metric('JSHeapUsedSize');
        return abs($heap - $before) < .005 * $heap;
    }) or die "the heap is never the same twice\n";
    $page->value($pause);

    return $heap;
}


# Waits for that many updates more.
sub updates {
    my ($number) = @_;
    my $count = 'performance.getEntriesByType("resource").length';
    my $begun = $page->value($count);

    $page->value('performance.setResourceTimingBufferSize(10000)');

    my @missing = grep { !$page->wait_for("$count >= $begun + $_") }
                       1 .. $number;
    is("@missing", '', "$number updates");

    return;
}


$page->size(1280, 900);
my $begin = time;
$page->open($gateway->url('/status?format=html'));
ok($page->wait_for('document.querySelector("details")'), 'keys are shown');
my $first = time - $begin;

is(scalar $page->text('.key'), 50, 'so many only');
is_deeply([$page->text('#shown')], ['50 of 3,000 keys'], 'as it says');
cmp_ok($page->value('document.querySelectorAll("*").length'), '<', 10000,
       'the document stays small');
$page->value('document.getElementById("more").click()');
is(scalar $page->text('.key'), 100, '50 more');
$page->value('for (let i = 0; i < 9; i++)
                  document.getElementById("more").click()');
is(scalar $page->text('.key'), 550, 'and more');


# what updates cost

my ($update, $share);

for (1 .. TRIES) {
    $begin = time;
    $update = busy(sub { updates(4) }) / 4;
    $share = $update * 4 / (time - $begin);
    last if $share < .5;
}

cmp_ok($share, '<', .5, 'the page is idle half of the time at least');

my $times = $page->value('performance.getEntriesByType("resource")
    .map(one => [one.startTime, one.duration])');
my @late = grep {
    my ($start, $took) = @{ $times->[$_] };
    my $next = $times->[$_ + 1][0];
    $next - $start < 1950 || $next - $start - $took < 2.9 * $took
} 0 .. $#$times - 1;
is_deeply([map { @{ $times->[$_] } } @late], [],
          'the next is asked for in two seconds, or after three times as long '
          . 'as the last one took');


# the keyboard, without an update that comes between

$page->value($pause);
$page->value('document.getElementById("filter").focus()');
my ($press, $copy);

for (1 .. TRIES) {
    $copy = copy();
    $page->value('document.getElementById("filter").select()');
    my @presses = map {
        my $letter = $_;
        busy(sub {
            $page->type($letter);
            $page->value('new Promise(requestAnimationFrame)');
        });
    } split //, 'tenant.2999';
    ($press) = sort { $b <=> $a } @presses;
    last if $press < COPIES * $copy;
}

is_deeply([$page->text('.key b')], ['tenant.2999'], 'one is found');
cmp_ok($press, '<', COPIES * $copy,
       'a key press takes no more than some copies of the status');
$page->value('document.getElementById("filter").value = ""');
$page->value($pause);


# what needs attention is on top, wherever its key is

$gateway->request('GET', '/katalo/usage/summary?key=tenant.2998', headers => [
    'Authorization: Bearer ' . new_key('client')]);
ok($page->wait_for('document.querySelector("#attention li")'), 'an alert');
like(($page->text('#attention li'))[0], qr{tenant\.2998},
     'of one that is not shown');


# what is kept: the clock runs ahead, as far as updates are done.  It leaps
# while the page is paused, and has no budget, at whose end it would stop

$page->send('Emulation.setVirtualTimePolicy',
            policy => 'pauseIfNetworkFetchesPending');
my $virtual = $page->value('performance.now()');
updates(65);
cmp_ok($page->value('performance.now()') - $virtual, '>', 120_000,
       'two minutes, for the page');
cmp_ok($page->value('times.length'), '<=', 62, 'two minutes are kept');
is($page->value('Math.max(...[...keys.values()].map(key => key.rates.length))
                 === times.length'), 1, 'of each key');
my $heap = heap();
updates(30);
cmp_ok(heap() / $heap, '<', 1.05, 'memory does not grow');

$gateway->reload(http => http(@names[0 .. 9]));
ok($page->wait_for('document.getElementById("shown").textContent
                    === "10 of 10 keys"'), 'keys that are gone are');
is($page->value('keys.size'), 10, 'forgotten');
is_deeply([$page->complaints], [], 'the console is empty');

diag(sprintf '%d keys: %.1f MB of JSON, first keys after %.1f s; processor '
             . 'time of an update %.2f s, of a key press %.2f s, of a copy '
             . '%.2f s; heap %.1f MB', KEYS, length($json) / 1e6, $first,
             $update, $press, $copy, $heap / 1e6);

done_testing();
