#!/usr/bin/perl

# docs/examples/systemd, with the real systemd: the drop-in gives the key to
# nginx, a reload does not read it again, a restart does, and a binary upgrade
# keeps it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use File::Copy qw(copy);

use Katalo::Examples qw(example example_path);
use Katalo::Test qw(:all);
use Katalo::Test::Nginx;
use Katalo::Test::Process qw(slurp);

plan skip_all => 'only root boots a systemd' if $> != 0;

my @units = map { example_path("systemd/$_.conf") } qw(katalo reload);
my %key = map { $_ => new_key($_) } qw(first second third);
my $directory = File::Temp->newdir('katalo-systemd-XXXXXX', TMPDIR => 1);


sub write_file {
    my ($name, $text, $mode) = @_;

    open my $file, '>', "$directory/$name" or die "$name: $!\n";
    chmod $mode // 0644, "$directory/$name";
    print $file $text;
    close $file or die "$name: $!\n";

    return;
}


my ($key) = example('systemd/katalo.conf') =~ /^# +(katalo_key .*;)$/m;

copy($_, "$directory/") or die "$_: $!\n"
    for @units, (Katalo::Test::Nginx::modules())[-1];
write_file($_, "$key{$_}\n", 0600) for keys %key;

write_file('nginx.conf', <<"EOC");
load_module /katalo/ngx_http_katalo_module.so;
user www-data;
pid /run/nginx.pid;
error_log /katalo/error.log notice;
events { }
http {
    $key
    access_log off;
    upstream app.katalo.ai { server 127.0.0.1:1; }
    server {
        listen 127.0.0.1:8081;
        location = /katalo_status { katalo_status json; }
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
    }
}
EOC

write_file('katalo-test.service', <<'EOC');
[Unit]
Requires=basic.target dbus.socket
After=basic.target dbus.socket

[Service]
ExecStart=/bin/bash /katalo/script
EOC

# A value is the status of a command, or the id of the key that nginx has.

write_file('script', <<'EOC');
exec > /katalo/log 2>&1

status() { "${@:2}"; echo "$1=$?" >> /katalo/result; }

id() {
    echo "$1=$(curl -sS --retry 10 --retry-connrefused \
        http://127.0.0.1:8081/katalo_status | jq -r '.keys[0].ids[0].key_id')" \
        >> /katalo/result
}

use() { install -m 600 "/katalo/$1" /etc/katalo/production; }

# for some minutes

becomes() {
    for _ in $(seq 1800); do
        "$@" && return 0
        sleep 0.1
    done
    return 2
}

worker() { worker=$(pgrep -P "$(cat /run/nginx.pid)"); }
gone() { [ ! -e "/proc/$worker" ]; }

# a reload is over with the worker of before

reload() {
    becomes worker && systemctl reload nginx || return 1
    becomes gone
}

# as Debian's package of nginx does it

upgrade() {
    local old=$(cat /run/nginx.pid)
    kill -USR2 "$old"
    becomes test -s /run/nginx.pid.oldbin && becomes test -s /run/nginx.pid \
        && kill -QUIT "$old" && becomes test ! -e "/proc/$old"
}

followed() {
    [ "$(systemctl show -P MainPID nginx)" = "$(cat /run/nginx.pid)" ]
}

drop_in() {
    cp "/katalo/$1.conf" /etc/systemd/system/nginx.service.d/
    systemctl daemon-reload
    systemctl restart nginx
}

echo booted=0 > /katalo/result
cp /katalo/nginx.conf /etc/nginx/nginx.conf
mkdir -p /etc/katalo /etc/systemd/system/nginx.service.d
systemctl stop nginx
use first

status start drop_in katalo
id started
use second
status reload reload
id reloaded
status restart systemctl restart nginx
id restarted

status upgrade upgrade
id upgraded
status followed becomes followed
status upgrade_reload reload

status shell nginx -t
status run systemd-run --quiet --pipe --wait \
    -p LoadCredential=katalo_production:/etc/katalo/production nginx -t

printf '[Service]\nPrivateTmp=yes\n' > /katalo/private.conf
status private drop_in private
status private_reload reload
status signal drop_in reload
use third
status signal_reload reload
id signalled

echo done=0 >> /katalo/result
kill -s RTMIN+4 1
EOC

my $boot = Katalo::Test::Process->spawn(
    command => ["$FindBin::Bin/boot", "$directory"],
    output => "$directory/output");

wait_until(sub { !$boot->is_running }, 900);
$boot->stop;

my %got = slurp("$directory/result") =~ /^(\w+)=(.*)$/mg;

plan skip_all => "no systemd is booted here: " . slurp("$directory/output")
    if !defined $got{booted};

my @expected = (
    start => 0, 'nginx starts with the drop-in',
    started => 'first', 'and has the key',
    reload => 0, 'a reload succeeds',
    reloaded => 'first', 'and does not read the credential again',
    restart => 0, 'a restart succeeds',
    restarted => 'second', 'and does',
    upgrade => 0, 'a binary upgrade succeeds',
    upgraded => 'second', 'and has the key',
    followed => 0, 'systemd follows the new master',
    upgrade_reload => 0, 'which is reloaded',
    shell => 1, 'a shell has no credential for nginx -t',
    run => 0, 'systemd-run has',
    private => 0, 'a unit with a file system of its own starts',
    private_reload => 1, 'but nginx -s reload finds no credential there',
    signal => 0, 'the other drop-in starts',
    signal_reload => 0, 'and reloads by a signal',
    signalled => 'second', 'with the key of the start',
    done => 0, 'all was tried',
);

while (my ($name, $value, $title) = splice @expected, 0, 3) {
    is($got{$name}, $value, $title);
}

my $log = slurp("$directory/log") . slurp("$directory/error.log");
lacks_secrets($log, 'no log has a key');
diag(redact($log)) if !Test::More->builder->is_passing;

done_testing();
