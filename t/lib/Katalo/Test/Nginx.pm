package Katalo::Test::Nginx;

# The nginx under test: what it is, what it can do, and the configuration
# around a test's http block.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use version;

use Katalo::Test::Tool;

our @EXPORT_OK = qw(has_feature nginx_version nginx_at_least);

my $repository = abs_path(dirname(__FILE__) . '/../../../..');
my $build;


sub binary { return $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx' }


sub _build {
    return $build //= do {
        my $nginx = binary();
        `$nginx -V 2>&1`;
    };
}


sub nginx_version {
    my ($version) = _build() =~ m{^nginx version: \S+/([\d.]+)}m;

    return $version // die binary() . " does not run\n";
}


sub nginx_at_least {
    my ($version) = @_;

    return version->parse(nginx_version()) >= version->parse($version);
}


sub has_feature {
    my ($name) = @_;

    $name = "http_${name}_module" if $name =~ /^v\d$/;
    $name .= '_module' if $name =~ /^http_v\d$/;

    return _build() =~ /--with-\Q$name\E(?![\w-])/ ? 1 : 0;
}


sub modules {
    my $module = $ENV{TEST_NGINX_MODULE}
                 // "$repository/objs/ngx_http_katalo_module.so";

    return grep { length } split(' ', $ENV{TEST_NGINX_LOAD} // ''), $module;
}


sub command {
    my ($prefix, $name) = @_;

    return Katalo::Test::Tool::wrap(
        binary(), '-p', $prefix, '-c', "$prefix/conf/$name",
        '-e', "$prefix/logs/error.log");
}


# The frame of a configuration, unless the test brings one of its own, with
# what depends on the nginx under test and on who runs it.
sub config {
    my (%part) = @_;
    my $level = $part{debug} ? 'debug' : 'info';
    my $daemon = $part{daemon} ? 'on' : 'off';
    my $user = $> == 0 ? 'user ' . ($part{user} // 'root') . ';' : '';
    my $own_log = ($part{http} // '') =~ /^\s*access_log\s/m;

    my %text = (
        LOAD_MODULE => join("\n", map { "load_module $_;" } modules()),
        MAIN => <<"EOC",
daemon $daemon;
$user
worker_processes $part{workers};
pid %PREFIX%/logs/nginx.pid;
error_log %PREFIX%/logs/error.log $level;
EOC
        TEMP_PATHS => join("\n",
            map { "    ${_}_temp_path %PREFIX%/temp/$_;" }
            grep { $_ eq 'client_body'
                   || _build() !~ /--without-http_${_}_module/ }
            qw(client_body proxy fastcgi uwsgi scgi)),
        ACCESS_LOG => $own_log ? '' : 'access_log %PREFIX%/logs/access.log;',
        TEST_MAIN => $part{main} // '',
        TEST_EVENTS => $part{events} // '',
        TEST_HTTP => $part{http} // '',
    );

    my $config = $part{conf} // <<'EOC';
%LOAD_MODULE%
%MAIN%
%TEST_MAIN%
events {
    %TEST_EVENTS%
}
http {
    %ACCESS_LOG%
%TEMP_PATHS%

%TEST_HTTP%
}
EOC

    $config =~ s/%([A-Z_]+)%/$text{$1} \/\/ "%$1%"/ge;

    return $config;
}

1;
