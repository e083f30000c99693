#!/usr/bin/perl

# Consumers on the page: their share, last use, and a filter; whatever a name
# holds, it is text.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use MIME::Base64 qw(encode_base64);

use Katalo::Browser;
use Katalo::Test qw(:all);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => gateway_http(http => <<'EOC', server => <<'EOS'))->start;
    map $remote_user $user { default $remote_user; }
EOC
        katalo_consumer $user;
        location /off/ {
            katalo_consumer off;
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
EOS

my $markup = '<img src=x onerror="document.title=1">';
my @names = ($markup, '__proto__', 'None', 'no consumer', 'a  b', "x\ny",
             'constructor', 'z' x 300);


sub ask {
    my ($user, $target) = @_;
    my $basic = 'Authorization: Basic ' . encode_base64("$user:x", '');

    return $gateway->request('GET', $target // '/katalo/usage/summary',
                             headers => [$basic])->status;
}


my $n = @names;

for my $name (@names) {
    is(ask($name), 200, 'a request passes') for 1 .. $n;
    $n--;
}
ask('', '/off/usage/summary') for 1 .. 10;

my $browser = Katalo::Browser->new;
my $page = $browser->page;
my $rows = q{[...document.querySelectorAll('.wide tbody tr')]};
my $cells = "$rows.map(row => [...row.cells].map(cell => "
            . "cell.textContent).slice(0, 3).join('|')).join('\\n')";

my $broken = <<'EOC';
    [...document.querySelectorAll('.wide tbody td')].filter(cell => {
      const range = document.createRange();
      range.selectNodeContents(cell);
      return range.getClientRects().length !== 1;
    }).length
EOC


sub table { return split /\n/, $page->value($cells) }

sub filter {
    my ($word) = @_;

    $page->value("(() => { const i = document.querySelector('.wide input'); "
                 . "i.value = '$word'; "
                 . "i.dispatchEvent(new Event('input')); return 1; })()");

    return map { (split /\|/)[0] } table();
}


$page->open($gateway->url('/status?format=html'));
ok($page->wait_for("$rows.length === 9"), 'all consumers are shown');

my @table = table();

is($table[0], 'no consumer|10|21.7 %', 'most used first, with its share');
is($table[1], "$markup|8|17.4 %", 'markup is text');
is($table[2], '__proto__|7|15.2 %', 'a name of JavaScript');
is($table[4], 'no consumer|5|10.9 %', 'a name like a label');
is($page->value(q{[...document.querySelectorAll('.wide tbody .muted')].map(
                  th => th.textContent).join()}), 'no consumer',
   'is told from the label');
is($page->value('document.querySelectorAll("img").length'), 0,
   'there is no image');
is($page->value('document.title'), 'Katalo gateway', 'nothing was run');
like($page->value("$rows.map(row => row.cells[3].textContent).join()"),
     qr/^(?:\d+ (?:s|min) ago,?)+$/, 'last use');

my $none = '[{ consumer: "*", requests: {} }, '
           . '{ consumer: "a", requests: { total: 1 } }]';

is($page->value("consumers($none).rows.map(row => row.cells[1]).join()"),
   '0.0 %,100.0 %', 'responses without a request have no share');

is($page->value($broken), 0, 'a long name leaves each number in one line');

is_deeply([filter('proto')], ['__proto__'], 'a filter');
is_deeply([filter('nothing like it')], ['None'], 'that nothing passes');
is(scalar(() = filter('')), 9, 'and none');
is($page->value('document.querySelector(".wide small").textContent'),
   '9 of 9', 'how many there are');

$page->size(390, 844);
ok($page->wait_for('document.documentElement.clientWidth === 390'),
   'a narrow window');
is($page->value('document.documentElement.scrollWidth'), 390,
   'is wide enough');
is($page->value($broken), 0, 'its numbers, too');

is_deeply([$page->complaints], [], 'the browser has no complaints');

done_testing();
