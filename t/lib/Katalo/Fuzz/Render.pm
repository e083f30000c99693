package Katalo::Fuzz::Render;

# The text of a gateway, for one of two sides: "a" has the module's key, "b"
# has a literal Authorization in its place, and what else the module does for a
# location with a key, written out.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(render locations blocks directives);

my @default = qw(Cookie Proxy-Authorization);


# Options: side, tree, keys (name => key), ports (placeholder => number),
# directory, ca, base (port of the listener)
sub render {
    my (%option) = @_;
    my $state = { %option, n => 0 };
    my $tree = _numbered($option{tree});
    my @lines = map { _node($state, $_, _env(), 'http') } @$tree;

    my $text = _frame($state, join "\n", @lines);
    $text =~ s/%([A-Z])%/$option{ports}{$1}/g;

    return $text;
}


# Each location tells the client its number.
sub _numbered {
    my ($tree) = @_;
    my $n = 0;
    my $walk;

    $walk = sub {
        my ($node) = @_;

        return $node if !ref $node;

        my ($head, @rest) = @$node;
        my @own = $head =~ /^location / ? ('#loc ' . ++$n) : ();

        return [$head, @own, map { $walk->($_) } @rest];
    };

    return [map { $walk->($_) } @$tree];
}


# What each numbered location is, as a block.
sub locations { return grep { $_->{head} =~ /^location/ } blocks($_[0]) }


# Each block of the server, in the order of the file: head; own, what stands in
# it; env, what applies, both by directive; keyed, whether a key is sent; ifs,
# whether there are blocks in it that may have another key.
sub blocks {
    my ($tree) = @_;
    my @found;
    my $walk;

    $walk = sub {
        my ($node, $env, $around) = @_;
        my ($head, @rest) = @$node;
        my %own = map { /^(\S+) (.*)/s } reverse grep { !ref } @rest;
        my %block = (head => $head, own => \%own, env => { %$env, %own });
        my $pass = $own{proxy_pass} || $head =~ /^(?:if|limit)/ && $around;

        $block{keyed} = $pass && $block{env}{katalo_bearer} ne 'off';
        $block{ifs} = grep { ref && $_->[0] =~ /^(?:if|limit_except)/ } @rest;
        push @found, \%block if $head ne 'server';

        $walk->($_, $block{env}, $pass) for grep { ref } @rest;
    };

    my %env = (katalo_bearer => 'off', katalo_cors => 'strip',
               katalo_cooldown => '60s', katalo_idempotency => 'pass',
               katalo_strip => '', satisfy => 'all',
               map { /^(\S+) (.*)/s } reverse grep { !ref } @$tree);

    $walk->($_, \%env, 0) for grep { ref && $_->[0] eq 'server' } @$tree;

    return @found;
}


# All of a name, wherever they stand: their arguments.
sub directives {
    my ($nodes, $name) = @_;

    return map { ref ? directives($_, $name)
                 : /^\Q$name\E (.*)/s ? $1 : () } @$nodes;
}


sub _env { return { bearer => 'off', strip => \@default, headers => [] } }


sub _node {
    my ($state, $node, $env, $level) = @_;

    return _directive($state, $node) if !ref $node;

    my ($head, @rest) = @$node;
    my %env = %$env;
    my @headers;

    for (grep { !ref } @rest) {
        $env{bearer} = $1 if /^katalo_bearer (.*)/;
        $env{strip} = $1 eq 'off' ? [] : [split ' ', $1]
            if /^katalo_strip (.*)/;
        push @headers, $_ if /^proxy_set_header /;
    }

    $env{headers} = \@headers if @headers;

    my $proxies = $head =~ /^location/
                  && grep { !ref && /^proxy_pass / } @rest;

    if ($state->{side} eq 'b' && $proxies) {
        @rest = ((grep { ref || !/^proxy_set_header / } @rest),
                 _literal($state, \%env));
    }

    return join "\n", ($head =~ /^if/ ? $state->{side} eq 'b'
                       ? _masked($head) : $head : $head) . ' {',
                      (map { _node($state, $_, \%env, $head) } @rest), '}';
}


sub _directive {
    my ($state, $text) = @_;

    return "add_header X-Fz-Loc $1 always; root $state->{directory}/html/$1;"
        if $text =~ /^#loc (\d+)/;
    return '' if $state->{side} eq 'b' && $text =~ /^katalo_/;

    $text =~ s/ \K(?=usage\.log|users$)/$state->{directory}\//;
    $text = _masked($text) if $state->{side} eq 'b';

    return "$text;";
}


sub _masked {
    my ($text) = @_;

    $text =~ s/\$(katalo_[a-z_]+)/\@$1\@/g;

    return $text;
}


sub _literal {
    my ($state, $env) = @_;
    my @lines = @{ $env->{headers} };
    my $keyed = $env->{bearer} ne 'off';
    my $verify = $keyed ? 'on' : 'off';

    if ($keyed) {
        for my $name (@{ $env->{strip} }) {
            push @lines, "proxy_set_header $name \"\""
                if !grep { /^proxy_set_header \Q$name\E /i } @lines;
        }

        push @lines, 'proxy_set_header Authorization '
                     . ($env->{bearer} =~ /^\$/ ? '$fz_bearer'
                        : "\"Bearer $state->{keys}{ $env->{bearer} }\"");
    }

    @lines = ('proxy_set_header X-Fz-None ""') if !@lines;

    return @lines, "proxy_ssl_verify $verify", "proxy_ssl_server_name $verify";
}


sub _frame {
    my ($state, $text) = @_;
    my $d = $state->{directory};
    my %k = %{ $state->{keys} };
    my $keys = join "\n", map { "katalo_key $_ file:$d/$_.key check=off;" }
                          sort keys %k;
    my $map = join "\n", map { "$_ \"Bearer $k{$_}\";" } sort keys %k;
    my $temp = join "\n", map { "${_}_temp_path $d/temp-$_;" }
                          qw(client_body proxy fastcgi uwsgi scgi);
    my $katalo = $state->{side} eq 'a' ? $keys
                 : "map \$http_x_fz_bearer \$fz_bearer { default \"\"; $map }";
    my $listen = "listen 127.0.0.1:$state->{base};\n"
                 . "root $d/html; set \$seen 0; set \$who '';\n"
                 . ($state->{side} eq 'a' ? join "\n", map {
                        "location = /fz-$_->[0] { katalo_status $_->[1]; "
                        . 'auth_basic off; satisfy all; allow all; }' }
                        ['status', 'json'], ['ready', 'ready'] : '');

    $text =~ s/^server \{/server {\n$listen/m;

    return <<"EOC";
daemon off;
master_process off;
pid $d/pid;
error_log $d/error.log info;
events { worker_connections 128; }
http {
access_log $d/access.log;
$temp
proxy_cache_path $d/cache keys_zone=z:1m use_temp_path=off;
proxy_ssl_trusted_certificate $state->{ca};
proxy_http_version 1.1;
variables_hash_max_size 2048;
map \$http_x_tenant \$tenant {
    default "";
    "~^p([a-z]*)-?(.*)" prod;
    "~^s([a-z]*)" stage;
    "~^u" unknown;
}
map \$http_x_tenant \$tenant_plain {
    default "";
    prod-abc prod;
    stage stage;
    unknown unknown;
}
map \$http_x_sni \$sni { default app.katalo.ai; "~^(.+)\$" app.katalo.ai; }
map \$http_x_sni \$sni_volatile {
    volatile;
    default app.katalo.ai;
    "~([a-z]+)" app.katalo.ai;
}
map \$upstream_addr \$sni_peer {
    volatile;
    default app.katalo.ai;
    "~:%T%\$" wrong.example;
}
map \$http_x_sni \$mapped { default none; a\$ a; hostnames; }
map \$http_x_sni \$mapped_volatile { volatile; default \$uri; }
map \$http_x_client \$named { default ""; "~^n-(?<fz_n>.*)\$" \$fz_n; }
map \$http_x_if \$realm { default g; a off; }
map \$http_x_up \$up {
    default app.katalo.ai;
    o 127.0.0.1:%T%;
}
$katalo
$text
}
EOC
}

1;
