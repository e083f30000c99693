#!/usr/bin/perl

# What is missing for a build, or for its installation, is said in words.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use File::Path qw(make_path);
use File::Temp;

use Katalo::Test::Process qw(slurp wait_until);

my $root = "$FindBin::Bin/..";
my $directory = File::Temp->newdir('katalo-build-XXXXXX', TMPDIR => 1);


# (exit code, output)
sub run {
    my (@command) = @_;

    unlink "$directory/output";
    my $process = Katalo::Test::Process->spawn(
        command => \@command, output => "$directory/output",
        env => { MAKEFLAGS => undef, MAKELEVEL => undef });
    wait_until(sub { !$process->is_running });

    return ($process->stop >> 8, slurp("$directory/output"));
}


sub fails {
    my ($title, $pattern, @command) = @_;
    my ($code, $output) = run(@command);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok($code != 0 && $output =~ $pattern, $title) or diag("$code: $output");

    return;
}


# make; "all" is taken as built

my @make = ('make', '-s', '-C', $root);

fails('no source of nginx', qr/install the package nginx-dev, .*NGINX_SRC=PATH/,
      @make, "OBJS=$directory/objs", 'NGINX_DEV=/nonexistent');
ok(!-e "$directory/objs", 'nothing is begun');

# nginx is configured again when a source comes or goes; in a copy

my $copy = "$directory/copy";
my $sources = "$copy/ngx_http_katalo_module";
mkdir "$directory/made";
run('cp', '-r', map({ "$root/$_" } qw(Makefile config config.make)),
    "$root/ngx_http_katalo_module", '-t', make_path($copy));

my @configure = (@make[0, 1], '-C', $copy, "OBJS=$directory/made",
                 "NGINX_DEV=$directory/dev", "$directory/made/Makefile");

sub touch {
    my ($file) = @_;

    open my $handle, '>>', $file or die "$file: $!\n";
    close $handle;

    return;
}

sub configures {
    my ($expected, $title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is((run(@configure, '-q'))[0], $expected, $title);

    return;
}

make_path("$directory/dev/src/core");
touch("$directory/dev/src/core/nginx.h");
configures(1, 'the first build configures nginx');

my ($record) = (run(@configure, '-n'))[1] =~ m{^(echo .*made/sources)$}m;
run('sh', '-c', $record);
touch("$directory/made/Makefile");
configures(0, 'the second one does not');

touch("$sources/new.c");
configures(1, 'one with a new source does');
unlink "$sources/new.c";
touch("$sources/status.txt");
configures(0, 'one with another new file does not');
unlink glob "$sources/*_filter_module.c";
configures(1, 'one without a source does');

# nginx's configure would remove what has the name up to the blank

my $blank = "$copy with a blank";
rename $copy, $blank or die "$blank: $!\n";
run('cp', '-r', "$root/debian", $blank);
run('sh', '-c', "echo kept > $copy");

fails('a build in a path with a blank', qr/in a path with a blank/,
      @make[0, 1], '-C', $blank, "NGINX_DEV=$directory/dev");
fails('its package', qr/in a path with a blank/,
      @make[0, 1], '-C', $blank, '-f', 'debian/rules', 'clean');
is(slurp($copy), "kept\n", 'what is beside it is kept');

sub nginx {
    my ($name, $output) = @_;

    open my $file, '>', "$directory/$name" or die "$name: $!\n";
    print $file "#!/bin/sh\necho '$output' >&2\n";
    close $file;
    chmod 0755, "$directory/$name";

    return "NGINX=$directory/$name";
}

my @install = (@make, '-o', 'all', 'install', "SO=$root/LICENSE",
               "DESTDIR=$directory/root");

fails("installing for $_->[0]", qr/names no --modules-path: install nginx, or/,
      @install, $_->[1])
    for ['no nginx', 'NGINX=/nonexistent'], ['what is no nginx', 'NGINX=false'],
        ['one without a path', nginx(plain => '--prefix=/usr --with-debug')];
ok(!-e "$directory/root", 'nothing is installed');

my ($code, $output) = run(@install,
    nginx(good => '--prefix=/usr --modules-path=/opt/modules --with-debug'));
is($code, 0, 'installing for one with a path') or diag($output);
ok(-e "$directory/root/opt/modules/ngx_http_katalo_module.so", 'is done there');


# nginx's configure reads "config"

sub config {
    my (%setting) = @_;
    my %all = (ngx_addon_dir => $root, ngx_module_link => 'DYNAMIC',
               HTTP_SSL => 'YES', HTTP_PROXY => 'YES', ngx_ptr_size => 8,
               %setting);

    mkdir "$directory/auto";
    open my $file, '>', "$directory/auto/module" or die "auto/module: $!\n";
    print $file "echo \$ngx_module_srcs \$ngx_module_deps\n";
    close $file;

    return ('sh', '-c', join('; ', "cd $directory",
                             (map { "$_='$all{$_}'" } sort keys %all),
                             ". $root/config"));
}

fails('an nginx without TLS',
      qr/error: ngx_http_katalo_module needs --with-http_ssl_module/,
      config(HTTP_SSL => 'NO'));
fails('an nginx without the proxy module', qr/needs the proxy module: leave/,
      config(HTTP_PROXY => 'NO'));
fails('a 32-bit nginx',
      qr/ngx_http_katalo_module needs a 64-bit platform: its byte counters/,
      config(ngx_ptr_size => 4));

for my $link (qw(DYNAMIC ADDON)) {
    ($code, $output) = run(config(ngx_module_link => $link));
    is($code, 0, "$link, with both") or diag($output);
    is_deeply([sort split ' ', $output],
              [sort glob "$root/ngx_http_katalo_module/*.[ch]"],
              'all sources and headers are named, each once');
}

done_testing();
