#!/usr/bin/perl

# A client that brings a Katalo key of its own: counted, and logged by its
# public id.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my ($held, $old, $foreign) = map { new_key($_) } qw(held old foreign);
my $up = Katalo::Upstream->new;

my $gateway = Katalo::Test->new(
    upstream => $up, workers => 1,
    keys => { production => $old, other => new_key('other') },
    http => gateway_http(
        key => 'check=100ms',
        http => 'katalo_key other file:%KEY:other% check=100ms;',
        server => <<'EOC'))->start;
        location /other/ {
            katalo_bearer other;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /any/ {
            katalo_bearer $arg_key;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /plain/ {
            proxy_pass https://app.katalo.ai/api/v1/;
        }
EOC


sub ask {
    my ($authorization, $path, @headers) = @_;

    return $gateway->request('GET', $path // '/katalo/usage/summary',
        headers => [[Authorization => $authorization], @headers])->status;
}


# what is logged of client keys, without what begins each line
sub warnings {
    my @lines = grep { /katalo: client sent/ } split /\n/,
                     $gateway->error_log;

    return map { /\[error\].*katalo: (client sent .*?), client: / } @lines;
}


sub counted {
    my ($name) = @_;
    my ($row) = grep { $_->{key} eq ($name // 'production') }
                     @{ $gateway->status->{keys} };

    return $row->{client_credentials}{katalo_key};
}


$gateway->mark_log;
$gateway->set_key(production => $held);
$gateway->wait_for_log(qr/"old" to "held"/);

# each with what is logged; nothing is, where the same id was a moment ago

my $exposed = 'client sent the key "production" id "held" of this gateway: '
              . 'it is exposed, rotate it';

sub leaked {
    my ($id) = @_;

    return qq{client sent a Katalo key with id "$id": it is exposed, }
           . 'revoke it';
}

my $requests = 0;

for (['a foreign key', "Bearer $foreign", leaked('foreign')],
     ['the same again', "Bearer $foreign", undef],
     ['its id with another secret', 'Bearer ' . new_key('foreign'), undef],
     ['a wrong secret of the held id', 'Bearer ' . new_key('held'),
      leaked('held')],
     ['the key of this gateway', "Bearer $held", $exposed],
     ['the same again', "bearer  $held", undef],
     ['the previous key', "Bearer $old", leaked('old')],
     ['another scheme', 'Token ' . new_key('scheme'), leaked('scheme')],
     ['no scheme', new_key('bare'), leaked('bare')],
     ['other letter case', 'BEARER ' . (new_key('Case') =~ s/kat/KAT/r),
      leaked('Case')],
     ['after other underscores', 'Bearer _ka_kat_' . new_key('after'),
      leaked('after')],
     ['in quotes', 'Bearer "' . new_key('quoted') . '"', leaked('quoted')],
     ['no dot, so this may be a secret', 'Bearer kat_live_' . new_secret(),
      leaked('?')],
     ['no id', 'Bearer kat_live_.' . new_secret(), undef],
     ['nothing else', 'Bearer kat_live_', undef],
     ['an id as long as no key is',
      'Bearer kat_live_' . 'i' x 600 . '.' . new_secret(), undef])
{
    my ($name, $authorization, $expected) = @$_;

    $gateway->mark_log;
    is(ask($authorization), 200, "$name is let through, stripped");
    is_deeply([warnings()], [$expected // ()], 'logged by its id');
    is(counted(), ++$requests, 'counted');
}

my @sent = map { $up->auth($_) } $up->received($requests);
is(scalar(grep { $_ eq expects_auth($held) } @sent), $requests,
   'Katalo saw nothing but the key of this gateway');

$gateway->mark_log;
ask($_) for 'Basic ' . new_secret(), 'Bearer kat_test_a.b', 'Bearer katlive',
            '_', 'a', '___', 'kat_', 'Bearer kat_live', '_kat_liv_',
            'Bearer kat-live_x.y', 'Bearer katalive_x.y', 'Bearer kat_lived_';
is(counted(), $requests, 'what is no Katalo key is not counted');
is_deeply([warnings()], [], 'nor logged');

my $lately = new_key('lately');

ask("Bearer $lately");
$requests++;
$gateway->mark_log;
ask("Bearer $lately", '/other/usage/summary');
is(counted('other'), 1, 'a key is counted under its location');
ask("Bearer $lately", '/plain/usage/summary');
is(counted(), $requests, 'and not without one');
is_deeply([warnings()], [], 'nor logged');

# whatever happens to the request

$gateway->mark_log;
is(ask('Bearer ' . new_key('browser'), undef, 'Origin: null'), 403,
   'a browser is refused');
is_deeply([warnings()], [leaked('browser')], 'its key logged');
is(counted(), ++$requests, 'and counted');

$gateway->mark_log;
is(ask("Bearer $held", '/any/x?key=nothing'), 503, 'a key of no name');
is(ask('Bearer ' . new_key('nobody'), '/any/x?key=nothing'), 503, 'is refused')
    for 1 .. 3;
is_deeply([warnings()], [leaked('nobody')], 'the log is limited here, too');

# How many times something may be logged that is logged once a minute.
sub minutes_since {
    my ($begun) = @_;

    return 1 + int((time - $begun) / 60);
}


# a flood of made-up ids

$gateway->mark_log;
my $begun = time;
my $client = $gateway->connection;

for (1 .. 400) {
    $client->request('GET', '/any/x?key=nothing',
                     headers => ["Authorization: Bearer kat_live_x$_.secret"]);
}

$client->close;
my @lines = warnings();
cmp_ok(scalar @lines, '<=', 256 * minutes_since($begun),
       'a flood of ids has its limit');
cmp_ok(scalar @lines, '>', 200, 'each id has a line up to there');

$gateway->mark_log;
my $fresh = new_key('fresh');
$gateway->set_key(other => $fresh);
$gateway->wait_for_log(qr/"other" to "fresh"/);
ask("Bearer $fresh") for 1 .. 3;
is_deeply([warnings()], ['client sent the key "other" id "fresh" of this '
                         . 'gateway: it is exposed, rotate it'],
          'it does not hide a key of this gateway');

# each worker has limits of its own

$gateway->reload(workers => 2, gone => 1);
$gateway->mark_log;
$begun = time;
ask("Bearer $foreign") for 1 .. 40;
my %lines = map { $_ => 1 } warnings();
is_deeply([keys %lines], [leaked('foreign')], 'several workers log the same');
cmp_ok(scalar(warnings()), '<=', 2 * minutes_since($begun),
       'each of them once');

lacks_secrets($gateway->read_file('logs/error.log'),
              'no secret is in the error log');

done_testing();
