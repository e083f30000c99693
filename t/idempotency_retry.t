#!/usr/bin/perl

# A request that creates something is sent again with the same Idempotency-Key,
# whatever broke the first attempt, and is done once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use JSON::PP qw(encode_json);

use Katalo::Test qw(:all);
use Katalo::Test::Breaking;
use Katalo::Test::Recipe qw(recipe);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $breaking = Katalo::Test::Breaking->new(to => $up->plain_port);
my @stages = $breaking->stages;
my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';

# what the documentation gives to be copied, with a server that breaks requests
# in place of the first one
my $recipe = recipe('docs/limits.md', 'nginx http', qr/katalo_idempotency/);
my ($upstream) = $recipe =~ /^(upstream .*?^\})/ms;
my ($location) = $recipe =~ /^( +location .*?^ +\})/ms;

sub breaks {
    my ($stage) = @_;
    my @ports = ($breaking->port($stage), $up->plain_port);
    my $timeout = $stage eq 'silent' ? 'proxy_read_timeout 10s;' : '';

    return ($upstream =~ s/katalo/$stage/r
                      =~ s/app\.katalo\.ai:443/'127.0.0.1:' . shift @ports/ger,
            $location =~ s/(?<=location \/)katalo/$stage/r
                      =~ s/https:\/\/katalo/http:\/\/$stage/r
                      =~ s/\}/katalo_upstream_tls off;
                             $timeout }/r);
}


my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => <<"EOC")->start;
    katalo_key production file:%KEY:production% host=.katalo.ai host=*;
    %KEPT_UPSTREAM%

@{[ map { (breaks($_))[0] } @stages ]}
    proxy_cache_path %PREFIX%/cache keys_zone=c:1m;
    proxy_ignore_headers Cache-Control;

    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;

        location /require/ { $proxy katalo_idempotency require; }
        location /again/   { $proxy katalo_idempotency add;
                             proxy_intercept_errors on;
                             error_page 503 = \@again; }
        location \@again   { proxy_pass https://app.katalo.ai;
                             katalo_idempotency add; }
        location /strip/   { $proxy katalo_idempotency add;
                             proxy_intercept_errors on;
                             error_page 503 = \@strip; }
        location \@strip   { proxy_pass https://app.katalo.ai;
                             katalo_idempotency add;
                             katalo_strip Idempotency-Key; }
        location /other/   { $proxy katalo_idempotency add;
                             proxy_intercept_errors on;
                             error_page 503 = \@other; }
        location \@other   { proxy_pass https://app.katalo.ai;
                             katalo_idempotency add;
                             rewrite ^ /api/v1/generations/1/regenerate break; }
        location /mirror/  { $proxy katalo_idempotency add;
                             mirror /copy/source-assets; }
        location /copy/    { $proxy katalo_idempotency add; }
        location /cached/  { $proxy katalo_idempotency add;
                             proxy_cache c;
                             proxy_cache_methods GET POST;
                             proxy_cache_valid 202 1s;
                             proxy_cache_use_stale updating;
                             proxy_cache_background_update on; }

@{[ map { (breaks($_))[1] } @stages ]}
        location = /status { katalo_bearer off; katalo_status json; }
    }
EOC

my $made = qr/^[0-9a-f]{32}$/;
my $source = encode_json({ source_url => 'https://a.example/a.png' });


sub jobs {
    return $gateway->request('GET', '/require/usage/summary')
                   ->json->{jobs}{total};
}


# the keys of $n requests, made by one of a client
sub keys_of {
    my ($n, $target, @headers) = @_;

    $up->clear;
    $gateway->request('POST', $target, body => $source, headers => [@headers]);

    return map { $up->values($_, 'Idempotency-Key') } $up->received($n);
}


# what breaks at any stage is tried again with the same key, and done once

my $generation = encode_json({ source_url => 'https://a.example/a.png',
                               workflow => 'a' });

for my $stage (@stages) {
    my $before = jobs();

    $up->clear;

    my $answer = $gateway->request('POST', "/$stage/generations",
                                   body => $generation);
    is($answer->status, 202, "broken when $stage: answered");
    is(jobs(), $before + 1, 'one job');

    my @broken = $breaking->heads($stage);
    my @heads = (@broken,
                 map { $_->{head} } grep { $_->{method} eq 'POST' }
                                         $up->received(1));
    my %keys = map { $_ => 1 }
               map { /^Idempotency-Key: (.*?)\r?$/mg } @heads;
    is(join('|', keys %keys) =~ s/$made/made/r, 'made', 'one key');
    is(scalar(grep { !/^Idempotency-Key: /m } @heads), 0, 'at both servers');
    is(scalar @broken, $stage eq 'accepted' ? 0 : 1,
       'the first of which broke');
}

my ($job, $same, $other) = map {
    $gateway->request('POST', '/require/generations', body => $_->[0],
                      headers => ["Idempotency-Key: $_->[1]"])
} [$generation, 'a'], [$generation, 'a'], [$generation =~ s/"a"/"b"/r, 'a'];
is($same->json->{job_id}, $job->json->{job_id}, 'the same again: one job');
is($other->status . ' ' . $other->json->{error}{code},
   '409 idempotency_conflict', 'another payload: a conflict');

my ($first, $second) = keys_of(2, '/again/source-assets?x-status=503');
like($first, $made, 'a request that an error_page sends again has a key');
is($second, $first, 'that is the same');

($first, $second) = keys_of(2, '/strip/generations?x-status=503');
is($second, $first, 'also where the header of clients is stripped');

my ($sent, $stripped) = keys_of(2, '/strip/generations?x-status=503',
                                'Idempotency-Key: mine');
is($sent, 'mine', "a client's own is sent again");
like($stripped, $made, 'unless it is stripped');

($first, $second) = keys_of(2, '/other/generations?x-status=503');
like($second, $made, 'an error_page that leads to another operation');
isnt($second, $first, 'has another key');

my @mirrored = keys_of(2, '/mirror/source-assets');
is(scalar(grep { /$made/ } @mirrored), 2, 'a mirror has a key');
isnt($mirrored[0], $mirrored[1], 'of its own');
is(join(' ', keys_of(2, '/mirror/source-assets', 'Idempotency-Key: mine')),
   'mine mine', "unless it is the client's");

$up->clear;
wait_until(sub {
    $gateway->request('POST', '/cached/source-assets', body => $source);
    return $up->received > 1;
});
is(scalar(grep { !/$made/ } map { join '|', $up->values($_, 'Idempotency-Key') }
                                $up->received), 0,
   'an update of a cache has a key');

unlike($gateway->error_log, qr/\[alert\]|\[crit\]/, 'nothing went wrong');
lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
