#!/usr/bin/perl

# The stand-in of the Katalo API behaves as the documentation says.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use JSON::PP qw(encode_json);

use Katalo::Demo::Image qw(png);
use Katalo::Test qw(:all);
use Katalo::Test::Client;
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key], pace => 500);
my $client = Katalo::Test::Client->new(port => $up->port, tls => 1,
                                       name => 'app.katalo.ai');


sub call {
    my ($method, $path, $payload, $token, @headers) = @_;
    my $body = ref $payload ? encode_json($payload) : $payload;

    push @headers, "Idempotency-Key: $token" if defined $token;

    return $client->request($method, "/api/v1$path", body => $body,
                            headers => ["Authorization: Bearer $key",
                                        @headers]);
}


sub code { return $_[0]->json->{error}{code} }


sub poll {
    my ($path, $state) = @_;

    return wait_until(sub {
        my $job = call('GET', $path)->json;
        return $job->{status} eq $state && $job;
    });
}


my $form = join "\r\n", '--B', 'Content-Disposition: form-data; name="file";'
                                . ' filename="a.png"',
                'Content-Type: image/png', '', png(4, 4), '--B--', '';
my $type = 'Content-Type: multipart/form-data; boundary=B';

my $response = call('POST', '/source-assets', $form, 'one', $type);
is($response->status, 202, 'an image is taken');
my $source = $response->json;
is($source->{source_asset_id}, undef, 'and is not ready at once');

$response = call('POST', '/source-assets', $form =~ s/--B/--C/gr, 'one',
                 $type =~ s/B$/C/r);
is($response->json->{ingest_id}, $source->{ingest_id},
   'sent again, it is the same');

is(code(call('POST', '/source-assets', { source_url => 'https://a.example/' },
             'one')),
   'idempotency_conflict', 'another payload is a conflict');
is(code(call('POST', '/source-assets', $form, undef, $type)), 'bad_request',
   'a write needs an Idempotency-Key');
is(code(call('POST', '/source-assets', $form =~ s/PNG/GNP/r, 'two', $type)),
   'validation_error', 'what is no image is refused');

my $ready = poll("/source-assets/$source->{ingest_id}", 'ready');
like($ready->{source_asset_id}, qr/^src_\w{26}$/, 'it becomes ready');

my %wish = (source_asset_id => $ready->{source_asset_id},
            workflow => 'staging');
my $job = call('POST', '/generations', \%wish, 'three')->json;
is($job->{status}, 'queued', 'a generation is queued');
is(scalar @{ poll("/generations/$job->{job_id}", 'succeeded')->{outputs} }, 1,
   'and succeeds');

is(code(call('POST', '/generations',
             { %wish, source_url => 'https://a.example/' }, 'four')),
   'validation_error', 'two sources are refused');

my $again = call('POST', "/generations/$job->{job_id}/regenerate", {}, 'five')
            ->json;
is($again->{regenerated_from}, $job->{job_id}, 'it is regenerated');

is(call('GET', '/usage/summary')->json->{jobs}{total}, 2, 'usage knows both');

my $page = call('GET', '/billing/events?limit=1')->json;
is($page->{events}[0]{job_id}, $job->{job_id}, 'billing has the first');
$page = call('GET', "/billing/events?limit=1&cursor=$page->{next_cursor}")
        ->json;
is($page->{events}[0]{job_id}, $again->{job_id}, 'then the other');
is($page->{next_cursor}, undef, 'then nothing');

is(code(call('GET', '/billing/events?limit=0')), 'validation_error',
   'a bad limit is refused');
is(code(call('GET', '/generations/job_none')), 'not_found',
   'an unknown job is not found');
is(code(call('PUT', '/usage/summary')), 'not_found',
   'nor is a method without a meaning');

$response = call('GET', '/usage/summary?x-rate-limit=7&x-cors=*');
is($response->status, 429, 'a rate limit on demand');
is($response->json->{error}{retry_after}, 7, 'says when to come again');
is($response->header('Access-Control-Allow-Origin'), '*', 'CORS on demand');

$up->set_keys(new_key());
is(code(call('GET', '/usage/summary')), 'unauthorized',
   'a key that is revoked is refused');

done_testing();
