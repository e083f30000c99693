#!/usr/bin/perl

# The status page by keyboard alone, and its updates: paused, resumed, lost
# and found again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Browser;
use Katalo::Test qw(:all);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my @names = map { "key.$_" } 1 .. 60;
my $http = join("\n", map { "katalo_key $_ file:%KEY:production%;" } @names)
           . <<'EOC';
    proxy_ssl_trusted_certificate %CA%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer key.1;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status; }
    }
EOC
my $gateway = Katalo::Test->new(upstream => $up, http => $http,
                                keys => { production => $key })->start;

my $browser = Katalo::Browser->new;
my $page = $browser->page;
my $focus = <<'EOC';
    (({ id, localName, type, href }) => id || href && href.slice(-9)
        || localName)(document.activeElement)
EOC


# Presses Tab, and tells where that led.
sub tab {
    $page->key('Tab', 9);

    return $page->value($focus);
}


# The focus must be seen: an outline, of a colour that is told from its ground.
sub is_visible {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is($page->value('(style => style.outlineStyle + " "
                             + parseFloat(style.outlineWidth))
                            (getComputedStyle(document.activeElement))'),
              'solid 2', "$name: the focus is visible");
}


# What the gateway has answered, once that is all that the page has asked for.
sub updates {
    my ($answered, $asked);

    wait_until(sub {
        $answered = () = $gateway->access_log =~ /format=json/g;
        $asked = grep { /format=json/ } $page->requests;
        return $answered == $asked;
    }) or die "of $asked updates $answered are answered\n";

    return $answered;
}


$page->size(1280, 900);
$page->open($gateway->url('/status?format=html'));
$page->wait_for('document.querySelector("details")');

is(tab(), 'pause', 'Tab leads to the button');
is_visible('the button');
is(tab(), 'filter', 'to the filter');
is_visible('the filter');
is(tab(), 'only', 'to the check box');
is_visible('the check box');
is(tab(), 'summary', 'to the first key');
is_visible('a key');

my $open = 'document.querySelector("details").open';
ok(!$page->value($open), 'it is closed');
$page->key('Enter', 13);
ok($page->value($open), 'Enter opens it');
$page->key(' ', 32);
ok(!$page->value($open), 'Space closes it');
is($page->value('document.activeElement
                 === document.querySelectorAll("summary")[0]'), 1,
   'the focus stays');

is(scalar $page->text('.key'), 50, '50 keys at first');
tab() for 1 .. 49;
is(tab(), 'more', 'after all keys, to the button for more');
$page->key('Enter', 13);
is(scalar $page->text('.key'), 60, 'which shows the others');
$page->value('document.activeElement.blur();
              document.querySelectorAll("summary")[59].focus()');
is(tab(), 'rmat=json', 'after the last, to the links');

$page->value('document.getElementById("only").focus()');
$page->key(' ', 32);
is(scalar $page->text('.key'), 0, 'Space ticks the check box');
$page->key(' ', 32);
is(scalar $page->text('.key'), 50, 'and unticks it');


# updates

my $word = 'document.getElementById("word").textContent';
my $requests = 'document.querySelector("#totals div:nth-child(4) dd span")
                .textContent';

$page->value('document.getElementById("pause").focus()');
$page->key(' ', 32);
is($page->value($word), 'Paused', 'Space pauses');
is_deeply([$page->text('#pause')], ['Resume'], 'the button changes');

my $before = updates();
$gateway->request('GET', '/katalo/usage/summary');
$page->wait_for('false', 5);
is(updates(), $before, 'nothing is asked for while paused');
is($page->value($requests), '0', 'and nothing changes');

$page->key('Enter', 13);
ok($page->wait_for("$requests === '1'"), 'Enter resumes');
is($page->value($word), 'Live', 'live again');
is_deeply([$page->complaints], [], 'the console is empty');

$gateway->stop;
ok($page->wait_for("$word === 'Not reached'"), 'the gateway is gone');
like(($page->text('#attention li'))[0],
     qr/^The gateway cannot be reached\. Since \d+:\d\d:\d\d; /,
     'the page says so');
is($page->value($requests), '1', 'and shows what it had');

$gateway->start;
ok($page->wait_for("$word === 'Live'"), 'it is back');
ok($page->wait_for("$requests === '0'"), 'with the counts of a new one');
is_deeply([$page->text('#attention li')], [], 'all is well');
unlike($page->value('document.body.innerText'), qr/NaN|undefined|-\d|Infinity/,
       'no number is nonsense');

$gateway->reload(http => $http =~ s/katalo_status;/katalo_status; deny all;/r);
ok($page->wait_for("$word === 'Not reached'"), 'it may no longer be seen');
like(($page->text('#attention li'))[0], qr/^The gateway answers 403\. /,
     'the page says what it was answered');

done_testing();
