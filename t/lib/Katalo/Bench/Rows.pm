package Katalo::Bench::Rows;

# What is measured: a gateway's configuration, and the request that it gets.
#
#   rows()           all of them, in the order of the table
#   row($name)
#
# A row has a name, what it is compared with (base), http (of nginx) or haproxy
# (a whole configuration), module (is this module loaded?), modules (further
# ones), request ([method, target, headers]), client (further options of
# Katalo::Test::Client), status (what it must get), and prepare (a sub that gets
# the gateway and the key before it starts).

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(rows row KEYS);

use constant KEYS => 10_000;

# as python3-requests sends it
my @client = ('User-Agent: python-requests/2.28.1',
              'Accept-Encoding: gzip, deflate', 'Accept: */*');

my @read = ('GET', '/katalo/generations/job_01JXGENABCDEFGHIJKL012345',
            @client);
my @browser = ('GET', $read[1], 'Origin: https://example.com',
               'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: cors',
               'Sec-Fetch-Dest: empty', @client);
my @preflight = ('OPTIONS', $read[1], 'Origin: https://example.com',
                 'Access-Control-Request-Method: GET',
                 'Access-Control-Request-Headers: authorization', @client);

my @credentials = (@read, 'Cookie: session=0123456789abcdef',
                   'Authorization: Bearer 0123456789abcdef0123456789abcdef');

my $plain = 'proxy_pass http://app.katalo.ai/api/v1/;';
my $tls = 'proxy_pass https://app.katalo.ai/api/v1/;';
my $verify = 'proxy_ssl_verify on; proxy_ssl_server_name on;';
my $key = 'katalo_key production file:%KEY:production%;';
my $attach = 'katalo_upstream_tls off; katalo_bearer production;';
my $basic = 'auth_basic g; auth_basic_user_file %PREFIX%/conf/users;';
my $map = 'map $http_x_tenant $tenant { default production; }';
my $literal = <<'EOC';
            proxy_set_header Connection "";
            proxy_set_header Authorization "Bearer %SECRET%";
            proxy_set_header Cookie "";
            proxy_set_header Proxy-Authorization "";
EOC


# The http block of nginx: lines of http, and of the location.
sub _http {
    my ($http, $location, $backend) = @_;
    $backend //= 'BACKEND';

    return <<"EOC";
    access_log off;
    keepalive_requests 100000000;
    upstream app.katalo.ai {
        server 127.0.0.1:%$backend%;
        keepalive 16;
        keepalive_requests 100000000;
    }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_ssl_trusted_certificate %CA%;
    $http
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
$location
        }
    }
EOC
}


# This module and nginx itself: name, base, lines of http, lines of location.
sub _katalo {
    return (
        { name => 'bare', http => _http('', $plain) },
        { name => 'module loaded', module => 1, http => _http('', $plain) },
        { name => 'location without a key', module => 1, http => _http(
              "$key server { listen 127.0.0.1:%PORT2%; location / { $attach "
              . "$plain } }", $plain) },
        { name => 'proxy_set_header', http => _http('', "$literal $plain") },
        { name => 'own directives', http => _http(_own_map(),
              "if (\$browser) { return 403; }\n$literal$plain") },
        { name => 'key', module => 1, http => _http($key, "$attach $plain") },
        { name => 'everything', module => 1, http => _http(
              "$key " . _everything(), "$attach katalo_allow read usage; "
              . "$plain") },
        { name => '$variable', module => 1, http => _http(
              "$key $map",
              "katalo_upstream_tls off; katalo_bearer \$tenant; $plain") },
        { name => 'keys', title => KEYS . ' keys', module => 1,
          prepare => \&_write_keys, http => _http(
              'katalo_zone 128m; include %PREFIX%/conf/keys;',
              "$attach $plain") },
    );
}


# The client has credentials of its own, which do not go further.
sub _credentials {
    my %client = (request => \@credentials);

    return (
        { name => 'credentials: bare', %client, http => _http('', $plain) },
        { name => 'credentials: proxy_set_header', %client,
          base => 'credentials: bare', http => _http('', "$literal $plain") },
        { name => 'credentials: key', %client, base => 'credentials: bare',
          module => 1, http => _http($key, "$attach $plain") },
    );
}


# A user whose password is verified, and who is counted: the base has no more
# than the password.
sub _consumers {
    my %client = (module => 1, prepare => \&_write_users, request => [
        @read, 'Authorization: Basic Y2F0YWxvZ3VlLTE6eA==']);
    my $location = "$basic $attach $plain";
    my %certificate = (module => 1,
                       client => { tls => 1, certificate => 'client' });

    return (
        { name => 'consumer: bare', %client, http => _http($key, $location) },
        { name => 'consumer: $remote_user', %client, base => 'consumer: bare',
          http => _http($key, "katalo_consumer \$remote_user; $location") },
        { name => 'certificate: bare', %certificate,
          http => _certificates("$attach $plain") },
        { name => 'consumer: $ssl_client_s_dn', %certificate,
          base => 'certificate: bare', http => _certificates(
              "katalo_consumer \$ssl_client_s_dn; $attach $plain") },

        # more of them than there is room for
        { name => 'consumer: another each time', module => 1, base => 'key',
          http => _http("katalo_zone 1m consumers=8; $key",
                        "katalo_consumer \$connection_requests; "
                        . "$attach $plain") },
    );
}


# A gateway whose clients have certificates.
sub _certificates {
    my ($location) = @_;

    return _http($key, $location) =~ s/listen .*\K;/ ssl;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        ssl_client_certificate %CA%;
        ssl_verify_client on;/r;
}


sub _write_users {
    my ($gateway) = @_;

    $gateway->write_file('conf/users', "catalogue-1:{PLAIN}x\n", 0644);

    return;
}


# What the README has, and the same proxy_pass without the module.
sub _two_lines {
    my ($lines) = @_;

    return <<"EOC";
    access_log off;
    keepalive_requests 100000000;
    proxy_ssl_trusted_certificate %CA%;
    proxy_ssl_name app.katalo.ai;
    $key
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            $lines
            proxy_pass https://127.0.0.1:%TLS_BACKEND%/api/v1/;
        }
    }
EOC
}


sub _tls {
    return (
        { name => 'TLS: bare', http => _http('', "$verify $tls",
                                             'TLS_BACKEND') },
        { name => 'TLS: proxy_set_header', base => 'TLS: bare',
          http => _http('', "$literal $verify $tls", 'TLS_BACKEND') },
        { name => 'TLS: key', base => 'TLS: bare', module => 1,
          http => _http($key, "katalo_bearer production; $tls",
                        'TLS_BACKEND') },
        { name => 'TLS: $variable', base => 'TLS: bare', module => 1,
          http => _http("$key $map", "katalo_bearer \$tenant; $tls",
                        'TLS_BACKEND') },
        { name => 'TLS: two lines', base => 'TLS: bare', module => 1,
          http => _two_lines('katalo_bearer production;') },
        { name => 'TLS: no upstream block', base => 'TLS: bare',
          http => _two_lines($verify) =~ s/katalo_key.*//r },
    );
}


sub _refusals {
    my %preflight = (request => \@preflight, status => 403);
    my %browser = (request => \@browser, status => 403);
    my $own = _http(_own_map(), "if (\$browser) { return 403; } $plain");
    my $module = _http($key, "$attach $plain");

    return (
        { name => 'preflight: return 403', %preflight,
          http => _http('', 'return 403;') },
        { name => 'preflight: own directives', %preflight, http => $own,
          base => 'preflight: return 403' },
        { name => 'preflight: key', %preflight, http => $module, module => 1,
          base => 'preflight: return 403' },
        { name => 'browser: return 403', %browser,
          http => _http('', 'return 403;') },
        { name => 'browser: own directives', %browser, http => $own,
          base => 'browser: return 403' },
        { name => 'browser: key', %browser, http => $module, module => 1,
          base => 'browser: return 403' },
    );
}


sub _others {
    my $modules = '/usr/lib/nginx/modules';

    return (
        { name => 'Lua', http => _http(_lua_http(), _lua() . $plain),
          modules => ["$modules/ndk_http_module.so",
                      "$modules/ngx_http_lua_module.so"] },
        { name => 'njs', prepare => \&_write_njs, http => _http(
              'js_path %PREFIX%/conf; js_import katalo.js; '
              . 'js_set $refused katalo.refused; js_set $bearer katalo.bearer;',
              _njs() . $plain), modules => ["$modules/ngx_http_js_module.so"] },
        { name => 'HAProxy: bare', haproxy => _haproxy('') },
        { name => 'HAProxy: own directives', base => 'HAProxy: bare',
          haproxy => _haproxy(_haproxy_rules()) },
    );
}


sub _own_map {
    return 'map "' . join('', map { "\$http_$_" } qw(
               origin sec_fetch_site sec_fetch_dest sec_fetch_user sec_ch_ua
               upgrade_insecure_requests)) . '" $browser { default 1; "" 0; }';
}


sub _everything {
    return <<'EOC';
    katalo_operation styles GET ~/styles$;
    katalo_usage_log %PREFIX%/logs/usage.log;
    server {
        listen 127.0.0.1:%PORT2%;
        location = /status { katalo_status; }
    }
EOC
}


sub _lua_http {
    return <<'EOC';
    lua_shared_dict counts 1m;
    init_by_lua_block {
        signals = { "origin", "sec-fetch-site", "sec-fetch-dest",
                    "sec-fetch-user", "sec-ch-ua",
                    "upgrade-insecure-requests" }
        counts = ngx.shared.counts
    }
EOC
}


sub _lua {
    return <<'EOC';
            access_by_lua_block {
                local headers = ngx.req.get_headers(0)
                for i = 1, #signals do
                    if headers[signals[i]] then
                        return ngx.exit(403)
                    end
                end
                ngx.req.clear_header("Cookie")
                ngx.req.clear_header("Proxy-Authorization")
                ngx.req.set_header("Authorization", "Bearer %SECRET%")
                counts:incr("requests", 1, 0)
            }
            log_by_lua_block { counts:incr(ngx.status, 1, 0) }
EOC
}


sub _write_njs {
    my ($gateway, $secret) = @_;

    $gateway->write_file('conf/katalo.js', <<"EOC", 0600);
const signals = ['Origin', 'Sec-Fetch-Site', 'Sec-Fetch-Dest',
                 'Sec-Fetch-User', 'Sec-CH-UA', 'Upgrade-Insecure-Requests'];

function refused(r) {
    return signals.some((name) => r.headersIn[name]) ? '1' : '';
}

function bearer(r) {
    return 'Bearer $secret';
}

export default { refused, bearer };
EOC

    return;
}


sub _njs {
    return <<'EOC';
            if ($refused) { return 403; }
            proxy_set_header Connection "";
            proxy_set_header Authorization $bearer;
            proxy_set_header Cookie "";
            proxy_set_header Proxy-Authorization "";
EOC
}


sub _haproxy {
    my ($rules) = @_;

    return <<"EOC";
global
    nbthread 1
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend gateway
    bind 127.0.0.1:%PORT%
    http-request set-path %[path,regsub(^/katalo/,/api/v1/)]
$rules
    default_backend api
backend api
    http-reuse always
    server api 127.0.0.1:%BACKEND%
EOC
}


sub _haproxy_rules {
    my $signals = join "\n", map { "    acl browser req.hdr($_) -m found" } qw(
        origin sec-fetch-site sec-fetch-dest sec-fetch-user sec-ch-ua
        upgrade-insecure-requests);

    return <<"EOC";
$signals
    http-request deny if browser
    http-request del-header cookie
    http-request del-header proxy-authorization
    http-request set-header authorization "Bearer %SECRET%"
EOC
}


sub _write_keys {
    my ($gateway, $secret) = @_;
    my $lines = $key;

    for my $n (2 .. KEYS) {
        $gateway->set_key("key$n", $secret =~ s/^(kat_live_)/$1n$n/r);
        $lines .= "\nkatalo_key key$n file:%KEY:key$n% check=1d;";
    }

    $gateway->write_file('conf/keys', $gateway->expand($lines));

    return;
}


sub rows {
    my @rows = (_katalo(), _credentials(), _consumers(), _tls(), _refusals(),
                _others());

    for my $row (@rows) {
        $row->{request} //= \@read;
        $row->{status} //= 200;
        $row->{title} //= $row->{name};
        $row->{base} //= $row->{name} =~ /^(?:.*: )?(?:bare|return 403)$/
                         ? $row->{name} : 'bare';
    }

    return @rows;
}


sub row {
    my ($name) = @_;
    my ($row) = grep { $_->{name} eq $name } rows();

    return $row // die "there is no row $name\n";
}

1;
