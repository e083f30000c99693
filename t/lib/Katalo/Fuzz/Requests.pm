package Katalo::Fuzz::Requests;

# Requests for a gateway.  Each is a hash: method, target, headers ([name,
# value]), body, chunked, version.  What the upstream is to answer is in
# X-Fz-Do, which subrequests have too.

use strict;
use warnings;

use Exporter qw(import);

use Katalo::Fuzz::Grammar qw(pick chance);
use Katalo::Fuzz::Identity qw(credentials client_names);
use Katalo::Fuzz::Render qw(directives);

our @EXPORT_OK = qw(make_requests bytes);

my @tails = qw(usage/summary billing/events generations/job1 abc/def/12
               source-assets generations abc/def generations/j1/regenerate
               a%20b/c%2Fd x/y?a=1&b=2 abc/12 n/usage/summary abc
               generations/j1/cancel long-name-of-a-thing/z);
my @answers = qw(cache=1 cache=1 cache=exp cache=exp etag etag cors chunked
                 status=404 status=503 status=412 status=401 status=500
                 status=201 status=304 close cut ssi=/k0/ssi/x ssi=/o/ssi
                 accel=/k1/acc/el accel=/o/accel accel=@b range hints cookie
                 big status=403 who);
my @limited = ('status=429,rb=50', 'status=429,ra=50', 'status=429,rb=0,ra=50',
               'status=429', 'status=429,ra=-1', 'status=429,rb="x",ra=45');


sub make_requests {
    my ($tree) = @_;
    my @prefixes = _prefixes($tree);
    my %has = (cool => chance(0.35) ? 0.25 : 0,
               create => grep({ /add|require/ }
                    directives($tree, 'katalo_idempotency')) ? 0.5 : 0);
    my @requests;

    for (1 .. 6 + int rand 9) {
        push @requests, @requests && chance(0.3)
                        ? _again($requests[rand @requests])
                        : _request(pick(@prefixes), %has);
    }

    return \@requests;
}


# Where its locations are.
sub _prefixes {
    my ($tree) = @_;
    my @server = map { ref && $_->[0] eq 'server' ? @$_ : () } @$tree;
    my @found = map { ref && $_->[0] =~ m{/(?:k\d|o)\b}i
                      && $_->[0] =~ m{(/[ko]\d?)}i ? lc "$1/" : () } @server;

    return @found ? @found : '/k0/';
}


# The same resource, as it is looked for a second time.
sub _again {
    my ($old) = @_;
    my %new = (%$old, headers => [@{ $old->{headers} }]);

    push @{ $new{headers} }, ['If-Match', '"x"'] if chance(0.3);

    return \%new;
}


sub _request {
    my ($prefix, %has) = @_;
    my $method = pick(qw(GET GET GET GET HEAD POST POST PUT OPTIONS DELETE));
    my @do = chance($has{cool}) ? pick(@limited)
             : map { pick(@answers) } 1 .. int rand 4;
    my $tail = pick(@tails);
    my @headers = (['Host', 'gw.example']);

    if (chance($has{create})) {
        $method = 'POST';
        $tail = pick('generations', 'source-assets', 'abc/generations',
                     'generations/j1/regenerate');
    }

    my %request = (method => $method, target => $prefix . $tail,
                   headers => \@headers, version => '1.1');

    push @headers, ['X-Fz-Do', join ',', @do] if @do;
    push @headers, _tenant();
    push @headers, ['X-Sni', pick('a', 'abcdefgh', 'x' x (1 + int rand 300))]
        if chance(0.5);
    push @headers, ['X-If', pick('a', 'b', 'aab')] if chance(0.2);
    push @headers, ['If-Match', '"x"'] if chance(0.25);
    push @headers, ['If-None-Match', '"v1"'] if chance(0.1);
    push @headers, ['Range', pick('bytes=0-3', 'bytes=5-')] if chance(0.1);
    push @headers, ['Authorization', pick(credentials())] if chance(0.6);
    push @headers, ['X-Client', pick(client_names())] if chance(0.6);
    push @headers, ['Idempotency-Key', pick('idem1', 'idem1', '')]
        if chance(0.3);
    push @headers, ['Idempotency-Key', 'idem2'] if chance(0.05);
    push @headers, ['Cookie', 'sid=cookiecred'] if chance(0.3);
    push @headers, ['Proxy-Authorization', 'Basic proxycred'] if chance(0.1);
    push @headers, ['X-Secret', 's3'], ['Accept', '*/*'] if chance(0.2);
    push @headers, [pick('Origin', 'Sec-Fetch-Site',
                         'Access-Control-Request-Method'), 'x']
        if chance(0.07);
    push @headers, ['X-Up', 'o'] if chance(0.1);
    push @headers, ['Connection', 'close'] if chance(0.2);
    $request{version} = '1.0' if chance(0.08);

    if ($method =~ /^P/) {
        $request{body} = 'b' x (1 + int rand 60);
        $request{chunked} = 1 if $request{version} eq '1.1' && chance(0.3);
    }

    return \%request;
}


# The name that the map yields stands beside it, for the side without a key.
sub _tenant {
    my ($tenant, $name) = @{ pick(['prod-abc', 'prod'], ['prod-abc', 'prod'],
                                  ['prod-abc', 'prod'], ['stage', 'stage'],
                                  ['stage', 'stage'], ['unknown', ''],
                                  ['', '']) };

    return (['X-Tenant', $tenant], ['X-Fz-Bearer', $name]);
}


sub bytes {
    my ($request, $id) = @_;
    my $text = "$request->{method} $request->{target} "
               . "HTTP/$request->{version}\r\nX-Fz-Id: $id\r\n";

    $text .= "$_->[0]: $_->[1]\r\n" for @{ $request->{headers} };

    my $body = $request->{body} // '';

    return $text . "\r\n" if !length $body;
    return $text . 'Content-Length: ' . length($body) . "\r\n\r\n$body"
        if !$request->{chunked};

    return $text . "Transfer-Encoding: chunked\r\n\r\n"
           . sprintf("%x\r\n%s\r\n0\r\n\r\n", length $body, $body);
}

1;
