#!/usr/bin/perl

# What can be measured of the page's looks: contrast of all its text in light
# and dark, a narrow screen, nothing that moves.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Browser;
use Katalo::Test qw(:all);
use Katalo::Upstream;

# as long as names and ids can be
my $long = 'a-name-of-64-bytes' . '-x' x 23;
my %key = (production => new_key('01J' . 'ABCDEFGH' x 50), spare => new_key(1),
           partner => new_key(2), $long => new_key(3));
my $up = Katalo::Upstream->new(keys => [@key{'production', $long}]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { %key, archive => '' },
    http => join("\n", map { "katalo_key $_ file:%KEY:$_% check=100ms;" }
                           sort keys %key, 'archive') . <<'EOC')->start;
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

# Each text that is seen, with the contrast (WCAG 2, 1.4.3) of its colour with
# what is behind it, bars and half transparent areas included.
my $contrasts = <<'EOC';
(() => {
  const parse = text => [...text.matchAll(/rgba?\(([^)]*)\)/g)]
    .map(([, list]) => list.split(',').map(Number))
    .filter(colour => colour[3] !== 0);
  const over = ([r, g, b, a = 1], ground) =>
    [r, g, b].map((c, i) => c * a + ground[i] * (1 - a));
  const grounds = node => {
    if (!node) return [[255, 255, 255]];
    const style = getComputedStyle(node), below = grounds(node.parentElement);
    const [colour] = parse(style.backgroundColor);
    const flat = below.map(ground => colour ? over(colour, ground) : ground);
    return flat.concat(parse(style.backgroundImage)
      .map(bar => over(bar, flat[0])));
  };
  const luminance = colour => colour
    .map(c => c / 255)
    .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + .05) / (low + .05);
  };
  const least = (node, style, property = 'color') =>
    Math.min(...grounds(node).map(ground =>
      ratio(over(parse(style[property])[0], ground), ground)));

  const walker = document.createTreeWalker(document.body,
                                           NodeFilter.SHOW_TEXT);
  const texts = [], graphics = [];
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (text && node.checkVisibility() && !/SCRIPT|STYLE/.test(node.tagName)) {
      texts.push([text, least(node, getComputedStyle(node))]);
    }
  }
  const filter = document.getElementById('filter');
  texts.push(['placeholder',
              least(filter, getComputedStyle(filter, '::placeholder'))]);

  for (const node of document.querySelectorAll('.line')) {
    graphics.push(['chart', least(node, getComputedStyle(node), 'stroke')]);
  }
  for (const node of document.querySelectorAll('.shape')) {
    graphics.push(['shape', least(node.parentElement, getComputedStyle(node))]);
  }
  return { texts, graphics };
})()
EOC

my $browser = Katalo::Browser->new;
my $page = $browser->page;

for ('production', 'partner', $long) {
    $gateway->request('GET', "/katalo/$_?key=$_")
        for 'usage/summary', 'billing/events', 'x-status/502';
}
$gateway->request('GET', '/katalo/x?key=production', headers => ['Origin: a']);
$gateway->request('GET', '/katalo/usage/summary?key=spare',
                  headers => ['Authorization: Bearer ' . new_key('client')]);
$gateway->set_key($long => new_key('01J' . 'ABCDEFGH' x 50));

$page->size(1280, 900);
$page->open($gateway->url('/status'));
$page->wait_for('document.querySelectorAll("#attention li").length === 3
                 && document.querySelectorAll(".line[d^=M]").length');
$page->value('document.querySelectorAll("details").forEach(node => {
                  node.open = true })');
is($page->value('[...new Set([...document.querySelectorAll(".state")]
                 .map(node => node.className))].sort().join(", ")'),
   'state bad, state good, state idle, state leak, state warn',
   'each state is there') || diag($page->text('.states'));

for my $scheme (qw(light dark)) {
    $page->emulate('prefers-color-scheme' => $scheme);
    my $found = $page->value($contrasts);
    my ($least) = sort { $a <=> $b } map { $_->[1] } @{ $found->{texts} };

    cmp_ok(scalar @{ $found->{texts} }, '>', 100, "$scheme: there is text");
    is_deeply([grep { $_->[1] < 4.5 } @{ $found->{texts} }], [],
              "$scheme: all of it has a contrast of 4.5 or more");
    note("$scheme: $least");
    is_deeply([grep { $_->[1] < 3 } @{ $found->{graphics} }], [],
              "$scheme: charts and shapes have 3 or more");
}

isnt($page->value('getComputedStyle(document.body).backgroundColor'),
     'rgb(246, 247, 249)', 'dark is not light');

for my $width (1280, 1081, 1080, 768, 390, 320) {
    $page->size($width, 844);
    $page->wait_for("innerWidth === $width");

    is($page->value('document.documentElement.scrollWidth'), $width,
       "$width pixels wide: nothing is wider");
    is_deeply($page->value("[...document.querySelectorAll('body *')]
        .filter(node => node.checkVisibility() && !node.closest('.label, svg')
                        && node.className !== 'unseen'
                        && node.getBoundingClientRect().right
                           > (node.closest('.keys') || document.body)
                             .getBoundingClientRect().right)
        .map(node => node.outerHTML.slice(0, 80))"), [],
        "$width pixels wide: nothing is cut off");
    is_deeply($page->value("[...document.querySelectorAll('.label')]
        .filter(node => getComputedStyle(node).position === 'static'
                        && node.scrollWidth > node.clientWidth)
        .map(node => node.textContent)"), [],
        "$width pixels wide: nor any label");
}

is($page->value('[...document.querySelectorAll("*")].filter(node =>
    getComputedStyle(node).transitionDuration !== "0s"
    || getComputedStyle(node).animationName !== "none").length
    + document.getAnimations().length'), 0,
   'nothing moves, for those who want no motion and those who do');

$page->emulate('forced-colors' => 'active');
is($page->value('[...document.querySelectorAll(".shape")].filter(node =>
    getComputedStyle(node).backgroundColor === "rgba(0, 0, 0, 0)"
    && getComputedStyle(node).borderWidth === "0px").length'), 0,
   'where colours are forced, shapes are seen');

is_deeply([$page->complaints], [], 'the console is empty');

done_testing();
