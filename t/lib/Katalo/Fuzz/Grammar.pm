package Katalo::Fuzz::Grammar;

# Makes up a gateway: a tree whose leaves are directives (strings) and whose
# blocks are arrays, the head first.  Only what touches a proxied request is in
# it; what every gateway has is in Katalo::Fuzz::Render.  Few features each,
# from a list of those that redirect, capture, or evaluate again, so that they
# meet often.

use strict;
use warnings;

use Exporter qw(import);

use Katalo::Fuzz::Identity qw(consumer_directives access_directives);

our @EXPORT_OK = qw(make_tree pick chance);

my @values = (
    '$1', '$1', '$2', '[$katalo_decision]', '$katalo_decision',
    '$katalo_requests', '$katalo_key', '$katalo_key_id', '$katalo_operation',
    '$uri', '$args', '$arg_a', '$request_uri', '$request_method',
    '$http_x_tenant', '$content_length', '$proxy_host', '$proxy_port',
    '$document_uri', '$request_body', '$upstream_status', '$host', '$scheme',
    '$upstream_cache_status', '$proxy_add_x_forwarded_for', '$is_args',
    '$mapped', '$mapped_volatile', '$slice_range', '$http_range',
    '$server_protocol', '$request_completion', '$content_type', '$remote_user',
    '$katalo_consumer', '$katalo_consumer');

my @names = ('app.katalo.ai', '$sni', '$sni_volatile', '$sni_peer');
my @pages = qw(400 401 403 404 412 412 412 412 429 500 502 503 504);

# who asks with which operation and in which location, for the upstream; and for
# the client
my $at = 'proxy_set_header X-Fz-At "$http_x_fz_id|$document_root'
         . '|$katalo_operation|$katalo_consumer"';
my $op = 'add_header X-Fz-Op "$katalo_operation $katalo_key" always';


sub pick { return $_[rand @_] }


sub chance { return rand() < $_[0] }


# What a tree is for: state of its making.
sub make_tree {
    my ($has) = @_;
    my $state = { has => $has, asks => chance(0.6) };
    my $inherited = chance(0.2) ? _bearer() : undef;
    my @server;

    $state->{inherited} = $inherited;
    push @server, "katalo_bearer $inherited" if $inherited;
    push @server, _header() if chance(0.15);
    push @server, $at if chance(0.15);
    push @server, _katalo() if $inherited && chance(0.2);
    push @server, _asks($state, 0.25);
    push @server, 'recursive_error_pages on' if chance(0.4);
    push @server, 'proxy_intercept_errors on' if chance(0.2);
    @server = _once(@server);

    my @locations = map { _keyed($state, $_) } 0 .. (chance(0.4) ? 1 : 0);

    push @locations, _keyed($state, '@b') if chance(0.7);
    push @locations, _plain($state) if chance(0.5);

    return [_http($state), ['upstream app.katalo.ai', _peers($state)],
            ['server', @server, @locations]];
}


sub _http {
    my ($state) = @_;
    my @http = _once(_asks($state, 0.1));

    push @http, 'katalo_zone ' . pick(qw(64k 1m))
                . pick('', map { " consumers=$_" } 1, 2, 4) if chance(0.2);
    push @http, 'katalo_operation cancel POST ~/cancel$' if chance(0.1);
    push @http, 'katalo_operation tail * ~/([a-z]+)$' if chance(0.15);
    push @http, 'katalo_usage_log usage.log interval=1s' if chance(0.25);

    return @http;
}


# Who may use the key, and how it is known, with this chance for each.
sub _asks {
    my ($state, $chance) = @_;

    return if !$state->{asks};
    return (chance($chance) ? pick(consumer_directives()) : (),
            chance($chance) ? @{ pick(access_directives()) } : ());
}


sub _peers {
    my ($state) = @_;
    my @peers = chance(0.15) ? 'server 127.0.0.1:%T%'
              : chance(0.2) ? ('server 127.0.0.1:%D%', 'server 127.0.0.1:%K%')
              : chance(0.2) ? ('server 127.0.0.1:%K%', 'server 127.0.0.1:%L%')
              : 'server 127.0.0.1:%K%';

    push @peers, 'keepalive 4' if chance(0.5);

    return @peers;
}


sub _bearer {
    return chance(0.6) ? pick(qw(prod prod stage))
                       : pick(qw($tenant $tenant $tenant_plain ${tenant}));
}


sub _header {
    my ($n) = @_;
    my $value = chance(0.8) ? pick(@values) : pick(@values) . pick(@values);

    return sprintf 'proxy_set_header X-Fz-%d "%s"', 1 + int rand 5, $value;
}


sub _katalo {
    return pick('katalo_strip off', 'katalo_strip X-Secret',
                'katalo_strip Cookie X-Secret Accept',
                'katalo_browser allow', 'katalo_browser report',
                'katalo_preflight pass', 'katalo_cors pass',
                'katalo_allow read create', 'katalo_allow usage other',
                'katalo_allow all', 'katalo_intercept_errors on',
                'katalo_intercept_errors on', 'katalo_resolve off',
                'katalo_strip Idempotency-Key', 'katalo_idempotency add',
                'katalo_idempotency add', 'katalo_idempotency require',
                'katalo_idempotency pass', 'katalo_cooldown off',
                'katalo_cooldown 1s', 'katalo_cooldown 1h');
}


# A location with a key.
sub _keyed {
    my ($state, $which) = @_;
    my $regex = $which ne '@b' && chance(0.55);
    my $head = $which eq '@b' ? 'location @b'
             : $regex ? pick('location ~ ^/k' . $which . '/([a-z]+)/(.*)$',
                             'location ~ ^/k' . $which . '/([a-z-]+)',
                             'location ~* ^/K' . $which . '/(.+)$')
             : pick("location /k$which/", "location ^~ /k$which/");
    my $captures = $head =~ /\)\/\(/ ? 2 : $regex ? 1 : 0;
    my @body;

    if (!$state->{inherited} || chance(0.3)) {
        my $bearer = _bearer();
        push @body, "katalo_bearer $bearer";
    }

    push @body, _pass($head, $captures, "/k$which/");
    push @body, _header() for 1 .. int rand 4;
    push @body, $at if chance(0.7);
    push @body, $op if chance(0.5);
    push @body, _katalo() for 1 .. (chance(0.35) ? 1 + int rand 2 : 0);
    push @body, _asks($state, 0.8);
    push @body, 'proxy_ssl_name ' . pick(@names) if chance(0.3);
    push @body, _feature($state, "/k$which/", $captures)
        for 1 .. int rand 4;
    @body = grep { !ref || $_->[0] !~ /^location/ } @body if $head =~ /@/;

    return [$head, _once(@body)];
}


# The first of each directive that may stand there once only.
sub _once {
    my %seen;

    return grep {
        my ($name) = ref $_ ? '' : /^(\S+)/;
        !length $name || $name =~ /^(?:proxy_set_header|rewrite|set|error_page
                                      |mirror|add_header|auth_request_set)$/x
        || !$seen{$name}++;
    } @_;
}


sub _pass {
    my ($head, $captures, $prefix) = @_;

    return 'proxy_pass https://$up' if chance(0.04);

    if ($captures) {
        return 'proxy_pass https://app.katalo.ai' if chance(0.5);
        return 'proxy_pass https://app.katalo.ai/api/$1/'
               . ($captures > 1 ? '$2' : 'x') . pick('', '$is_args$args');
    }

    return ('proxy_pass https://127.0.0.1:%K%', 'proxy_ssl_name app.katalo.ai')
        if chance(0.1);
    return 'proxy_pass https://app.katalo.ai' if $head =~ /\@/ || chance(0.4);
    return 'proxy_pass https://app.katalo.ai' . pick('/api/v1/', '/');
}


my @features = (
    \&_cache, \&_cache, \&_cache, \&_error_page, \&_error_page, \&_body,
    \&_mirror,
    \&_auth, \&_ssi, \&_sub_filter, \&_rewrite, \&_if, \&_limit_except,
    \&_buffering, \&_try_files, \&_nested, \&_next, \&_set, \&_slice,
    \&_add_header, \&_hints);


sub _feature {
    my ($state, $prefix, $captures) = @_;

    return pick(@features)->($state, $prefix, $captures);
}


sub _cache {
    my ($state) = @_;

    return ('proxy_cache z', 'proxy_cache_key $uri$is_args$args',
            chance(0.5) ? ('proxy_cache_use_stale updating error',
                           'proxy_cache_background_update on') : (),
            chance(0.2) ? 'proxy_cache_lock on' : (),
            chance(0.2) ? 'proxy_cache_revalidate on' : (),
            chance(0.2) ? 'proxy_cache_methods GET HEAD POST' : (),
            chance(0.6) ? _error_page($state) : ());
}


sub _slice {
    my ($state) = @_;

    return _buffering() if !$state->{has}{slice};
    return ('slice 10', 'proxy_cache z', 'proxy_cache_valid 206 1m',
            'proxy_cache_key $uri$slice_range',
            'proxy_set_header Range $slice_range');
}


sub _error_page {
    my ($state) = @_;
    my $page = pick(@pages);

    return ("error_page $page " . pick('', '= ', '=200 ')
            . pick('@b', '@b', '@b', '/o/page', '/k0/abc/def'),
            chance(0.4) ? 'proxy_intercept_errors on' : ());
}


sub _body {
    return pick('proxy_set_body "d=$katalo_decision n=$katalo_requests"',
                'proxy_set_body "a=$1 b=$2 u=$uri"',
                'proxy_set_body "k=$katalo_key i=$katalo_key_id"',
                'proxy_set_body "$request_body$katalo_operation"',
                'proxy_set_body "m=$mapped $1"');
}


sub _mirror { return 'mirror ' . pick('/o/mirror', '/k0/mirror/x', '/k1/m/x') }


sub _auth {
    return ('auth_request '
            . pick('/o/authsub', '/k0/authsub/x', '/k1/authsub/x'),
            chance(0.4) ? 'auth_request_set $seen $upstream_status' : (),
            chance(0.4) ? 'auth_request_set $who $upstream_http_x_who' : ());
}


sub _ssi { return ('ssi on', 'ssi_types *') }


sub _sub_filter { return ('sub_filter body BODY', 'sub_filter_types *') }


sub _rewrite {
    my ($state, $prefix) = @_;

    return pick('rewrite ^(/k./)(.*)$ $1r/$2 break',
                'rewrite ^/k0/(.*)$ /k1/$1 last',
                'rewrite /generations/([^/]*) /k1/abc/$1 last',
                'rewrite ^/k1/([a-z]*)/(.*)$ /o/$2/$1 last',
                'rewrite ^ $uri/tail break');
}


sub _if {
    return ['if ($http_x_if ' . pick('', '= a', '~ ^(a+)b') . ')',
            pick('set $seen x', 'return 204', 'return 404', 'break',
                 'rewrite ^(.*)$ /o$1 last', 'katalo_bearer stage',
                 'proxy_pass https://app.katalo.ai')];
}


sub _limit_except {
    return ['limit_except ' . pick('GET', 'GET POST'),
            pick('deny all', 'deny all', 'auth_basic off')];
}


sub _buffering {
    return ('proxy_pass_request_body off',
            'proxy_set_header Content-Length ""') if chance(0.1);
    return pick('proxy_request_buffering off', 'proxy_buffering off',
                'proxy_method POST',
                'client_body_buffer_size 16', 'proxy_force_ranges on',
                'proxy_pass_request_headers off',
                'proxy_ignore_headers Cache-Control',
                'client_body_in_single_buffer on');
}


sub _try_files {
    return 'try_files ' . pick('/none @b', '$uri @b', '/none /k0/abc/t',
                               '/none /o/t', '$uri $uri/ /k1/a/b');
}


sub _nested {
    my ($state, $prefix, $captures) = @_;

    my @body = (_header(), _asks($state, 0.3), chance(0.3) ? $at : (),
                chance(0.3) ? 'katalo_bearer ' . _bearer() : ());

    return ['location ~ /([a-z]+)/([0-9]+)$',
            _once(_pass('', 2, $prefix), @body,
                  chance(0.3) ? 'proxy_ssl_name ' . pick(@names) : ())]
        if $captures || chance(0.5);

    return ["location ${prefix}n/", _once(_pass('', 0, $prefix), @body)];
}


sub _next {
    return ('proxy_next_upstream error timeout http_503 http_404'
            . pick('', ' http_429') . pick('', ' non_idempotent'),
            chance(0.3) ? 'proxy_next_upstream_tries 2' : ());
}


sub _set { return pick('set $seen $1', 'set $seen "$mapped$1"',
                       'set $seen $katalo_operation') }


sub _add_header {
    return pick('add_header Access-Control-Allow-Origin * always',
                'add_header Access-Control-Max-Age 5',
                'add_header X-Operation "$katalo_operation$katalo_key"');
}


sub _hints {
    my ($state) = @_;

    return $state->{has}{hints} ? 'early_hints 1' : _add_header();
}


# A location without a key, to another host.
sub _plain {
    my ($state) = @_;
    my @body = ($state->{inherited} ? 'katalo_bearer off' : (),
                'proxy_pass http://127.0.0.1:%O%');

    push @body, _header() if chance(0.4);
    push @body, _error_page($state) if chance(0.3);
    push @body, _cache($state) if chance(0.2);

    return ['location /o/', _once(@body)];
}

1;
