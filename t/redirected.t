#!/usr/bin/perl

# A request that is redirected to another location: by a filter of the response
# while its first upstream request is still there, by an error page, and by
# the upstream.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';
my %key = map { $_ => new_key($_) } qw(first second);
my $up = Katalo::Upstream->new;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => \%key, http => <<"EOC")->start;
    katalo_key first file:%KEY:first%;
    katalo_key second file:%KEY:second%;
    %UPSTREAM%
    proxy_cache_path %PREFIX%/cache keys_zone=c:1m;
    proxy_cache_valid 200 1m;
    proxy_ignore_headers Cache-Control;
    log_format found '\$request_uri \$status \$katalo_key \$katalo_key_id '
                     '\$katalo_operation \$katalo_decision';
    access_log %PREFIX%/logs/access.log found;

    server {
        listen 127.0.0.1:%PORT%;
        recursive_error_pages on;
        katalo_bearer first;
        proxy_cache c;
        proxy_cache_key \$request_uri;

        location /key/ { $proxy error_page 412 = \@key; }
        location /same/ { $proxy error_page 412 = \@same; }
        location /refused/ { $proxy error_page 412 = \@refused; }
        location /none/ { $proxy error_page 412 = \@none; }
        location /page/ { $proxy }

        location \@key {
            katalo_bearer second;
            proxy_cache off;
            proxy_pass https://app.katalo.ai;
        }
        location \@same { proxy_cache off; proxy_pass https://app.katalo.ai; }
        location \@refused {
            katalo_allow billing;
            proxy_pass https://app.katalo.ai;
        }
        location \@none {
            katalo_bearer off;
            proxy_cache off;
            proxy_pass http://127.0.0.1:%UPSTREAM_PLAIN_PORT%;
        }

        location /chain/ { $proxy
            proxy_cache off;
            katalo_allow read;
            katalo_intercept_errors on;
            error_page 403 = /chained/;
        }
        location /chained/ { $proxy
            katalo_intercept_errors on;
            katalo_allow usage;
            error_page 403 = /last/;
        }
        location /last/ { $proxy katalo_allow billing; }

        location /revived/ { $proxy
            proxy_cache off;
            katalo_allow billing;
            katalo_intercept_errors on;
            error_page 403 = \@key;
        }

        location /ranged/ { $proxy
            proxy_cache off;
            proxy_force_ranges on;
            error_page 416 = \@refused;
        }

        location /accel/ { $proxy proxy_cache off; }
        location /tried/ { $proxy try_files /none /judged\$uri; }
        location /judged/ {
            proxy_cache off;
            if (\$katalo_operation = billing) { return 418; }
            if (\$katalo_key != second) { return 500; }
            katalo_bearer second;
            $proxy
        }
        location = /status { katalo_bearer off; katalo_status json; }
    }
EOC


# A line of the access log for the target.
sub is_logged {
    my ($target, $line, $title) = @_;

    return ok(wait_until(sub {
        $gateway->access_log =~ /^\Q$target $line\E$/m;
    }), $title) || diag($gateway->access_log);
}


# What If-Match condemns, on its way into the cache and from there.
my $target = 'usage/summary?x-header=ETag:%22other%22';

# nginx itself gives no answer where a cached one leads to another upstream.
for (['key', 404, 0, 'second'], ['same', 404, 0, 'first'],
     ['refused', 403, 403], ['none', 401, 0, ''])
{
    my ($name, $status, $cached, @key) = @$_;
    my $uri = "/$name/$target&name=$name";
    my @elsewhere = map { $_ ? expects_auth($key{$_}) : () } @key;
    my @condemned = ($uri, headers => ['If-Match: "one"']);

    is($gateway->request('GET', @condemned)->status, $status,
       "$name, not cached: $status");
    is($gateway->request('GET', $uri)->status, 200, "$name: cached");
    is($gateway->request('GET', @condemned)->status, $cached,
       "$name, cached: $cached");

    # what the last one leads to may arrive later
    my @expected = (expects_auth($key{first}), @elsewhere,
                    expects_auth($key{first}));
    my @received;

    wait_until(sub {
        @received = grep { $_->{target} =~ /name=$name/ } $up->received;
        return @received >= 2 + @key;
    });
    is_deeply([map { $up->auth($_) } @received[0 .. 1 + @key]], \@expected,
              "$name: each location has its own key");
}

is($gateway->request('GET', "/page/$target",
                     headers => ['If-Match: "one"'])->status, 412,
   'nginx has a page of its own');

my ($total, $answered) = (0, 0);

ok(wait_until(sub {
    my @ids = map { @{ $_->{ids} } } @{ $gateway->status->{keys} };

    ($total, $answered) = (0, 0);
    for my $id (@ids) {
        $total += $id->{requests}{total} // 0;
        $answered += $_ for values %{ $id->{responses} };
    }

    return $total == $answered;
}), 'every request has its response');
is($total, 13, 'nothing is counted twice');

# error pages: the last refusal is the one that is told, once, with its status

my $response = $gateway->request('GET', '/chain/usage/none');
is($response->status, 403, 'a chain of refusals');
is_deeply([grep { lc eq 'x-katalo-gateway' } $response->header_names],
          ['x-katalo-gateway'], 'says so once');

# an answer of Katalo is none of the gateway

my $revived = $gateway->request('GET', '/revived/x-status/200');
is($revived->status, 200, 'a refusal leads to another key');
is($revived->header('X-Katalo-Gateway'), undef, 'and is not told of');

# a filter finds no such range in an answer that is all but sent

$response = $gateway->request('GET', '/ranged/x-size/9/x-header/X-Left:over',
                              headers => ['Range: bytes=10-']);
is($response->reason, 'Forbidden', 'a refusal after an answer')
    || diag($response->head);
is($response->header('X-Left'), undef, 'has nothing of that answer');
is($response->json->{error}{code}, 'forbidden', 'but an envelope');

# the location that a redirect leads to is judged by itself

for (['/tried/billing/events', 418], ['/tried/x-status/200', 200]) {
    my ($tried, $status) = @$_;

    is($gateway->request('GET', $tried)->status, $status,
       "try_files with $tried");
}

for (['/judged/billing/events', 418], ['/judged/usage/summary', 200]) {
    my ($to, $status) = @$_;

    is($gateway->request('GET', "/accel/x-redirect?accel=$to")->status,
       $status, "X-Accel-Redirect to $to");
}

is_logged('/accel/x-redirect?accel=/judged/usage/summary',
          '200 second second usage attached', 'the log has the last location');

ok($gateway->is_running, 'nginx runs');
unlike($gateway->error_log, qr/\[alert\]|exited on signal/,
       'and no worker died');
lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
