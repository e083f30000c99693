package Katalo::Test::Nginx;

# The nginx under test: what it is, what it can do, and the configuration
# around a test's http block.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);

our @EXPORT_OK = qw(has_feature nginx_version);

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

    return (binary(), '-p', $prefix, '-c', "$prefix/conf/$name",
            '-e', "$prefix/logs/error.log");
}


sub config {
    my (%part) = @_;
    my $load = join '', map { "load_module $_;\n" } modules();
    my $user = $part{user} // 'root';
    my $level = $part{debug} ? 'debug' : 'info';
    my $http = $part{http} // '';
    my $access_log = $http =~ /^\s*access_log\s/m
                     ? '' : "access_log %PREFIX%/logs/access.log;";
    my $temp = join '', map { "    ${_}_temp_path %PREFIX%/temp/$_;\n" }
                        grep { $_ eq 'client_body'
                               || _build() !~ /--without-http_${_}_module/ }
                        qw(client_body proxy fastcgi uwsgi scgi);

    $user = $> == 0 ? "user $user;" : '';

    return <<"EOC" . ($part{main} // '') . <<"EOC" . $http . "\n}\n";
$load
daemon off;
$user
worker_processes $part{workers};
pid %PREFIX%/logs/nginx.pid;
error_log %PREFIX%/logs/error.log $level;

EOC

events {
    @{[ $part{events} // '' ]}
}

http {
    $access_log
$temp

EOC
}

1;
