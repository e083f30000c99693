#!/usr/bin/perl

# The documentation is true: its examples pass nginx -t, and what the module
# has is described.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Recipe qw(localize);
use Katalo::Upstream;

my $root = "$FindBin::Bin/..";
my $directives = slurp('docs/directives.md');
my $commands = slurp('ngx_http_katalo_module/ngx_http_katalo_conf.c');
my $variables = slurp('ngx_http_katalo_module/ngx_http_katalo_variables.c');
my @pages = ('README.md', map { substr $_, length "$root/" }
                          sort glob "$root/docs/{,examples/}*.md");

my %context = (MAIN => 'http', SRV => 'server', LOC => 'location',
               LIF => 'if in location');

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    env => { KATALO_API_KEY => $key }, http => <<'EOC');
    katalo_key production file:%KEY:production%;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status json; }
    }
EOC

$gateway->write_file('conf/katalo-tokens.conf', '');
$gateway->{env}{CREDENTIALS_DIRECTORY} = $gateway->prefix . '/keys';


sub slurp {
    my ($path) = @_;

    open my $file, '<', "$root/$path" or die "$path: $!\n";
    local $/;

    return scalar <$file>;
}


# What stands for the reader's own, with a key in each file.
sub localized {
    my $text = localize(@_);

    $gateway->set_key($_, $key)
        for $text =~ /%KEY:([\w.-]+)%/g, $text =~ /credential:(\w+)/g;

    return $text;
}


# A part of a configuration with what it needs around it.
sub complete {
    my ($level, $text) = @_;
    my $http = 'upstream app.katalo.ai { server 127.0.0.1:443; } ';
    my $listen = 'listen 127.0.0.1:%PORT%; katalo_consumer off;';
    my $proxy = 'proxy_pass https://app.katalo.ai/api/v1/;';

    $http .= 'katalo_key production file:%KEY:production%; '
        if $text !~ /katalo_key  production/;

    return (http => "$http\n$text") if $level eq 'http';
    return (http => "$http server { $listen\n$text }") if $level eq 'server';
    return (http => "$http server { $listen location / {"
                    . "katalo_bearer production; $proxy\n$text } }")
        if $level eq 'location';

    $text =~ s/^http \{$/http {\n%TEMP_PATHS%
                          upstream app.katalo.ai {
                              server 127.0.0.1:%UPSTREAM_PORT%;
                          }
                          proxy_ssl_trusted_certificate %CA%;/m;

    return (conf => "%LOAD_MODULE%\n%MAIN%\n$text");
}


sub members {
    my ($data) = @_;

    return map { members($_) } @$data if ref $data eq 'ARRAY';
    return ref $data eq 'HASH' ? map { ($_, members($data->{$_})) } keys %$data
                               : ();
}


for my $page (@pages) {
    my $text = slurp($page);

    while ($text =~ /^```nginx ?(\w*)\n(.*?)^```$/msg) {
        my ($level, $example) = ($1, $2);
        my ($name) = $example =~ /(katalo[_-]\w+)/;
        my ($code, $output) = $gateway->test_config(
            complete($level, localized($example)));

        is($code, 0, "$page: the example of $name passes")
            or diag(redact($output));
        unlike($output, qr/katalo_consumer/, 'and says who may use the key');
        ok($example !~ /\$ssl_client_/
           || $example =~ /listen .* ssl;/ && $example =~ /ssl_verify_client/,
           'clients show certificates where it asks for them');
        unlike($example, qr/^map \$ssl_client_s_dn (\$\w+) .*consumer +\1;/ms,
               'and a map that names them knows who was verified');
    }

    is_deeply([grep { !-e "$root/" . ($page =~ m{^(.*/)} ? $1 : '') . $_ }
                    $text =~ /\]\(([^)#:]+)(?:#[^)]*)?\)/g],
              [], "$page: links lead to files");
}

cmp_ok(scalar(split /\n/, slurp('README.md')), '<=', 150, 'README.md is short');

# rotations belong to no request

like(slurp('README.md'), qr/^error_log .* notice;\n\nevents/m,
     'README.md has an error log of the main level that shows notices');
like(slurp('docs/operations.md'), qr/^## Set the error log$/m,
     'and operations.md says why');

# nginx's default is nobody, who is in no group that a key file should have

like(slurp($_), qr/^user +www-data;$/m, "$_ has workers that read the key file")
    for 'README.md', 'docs/examples/environments/nginx.conf';

my %documented = map { $_ => 1 } $directives =~ /^## (katalo_\w+)$/mg;

while ($commands =~ /\{ ngx_string\("(katalo_\w+)"\),\s*([A-Z0-9_|\s]+),/g) {
    my ($name, $flags) = ($1, $2);
    my $contexts = join ', ', map { $context{$_} }
                   grep { $flags =~ /NGX_HTTP_${_}_CONF/ } qw(MAIN SRV LOC LIF);
    my ($section) = $directives =~ /^## \Q$name\E\n(.*?)(?=^#)/ms;

    my @form = ("Syntax: | **$name** ", "Default: | ",
                "Context: | $contexts |\n\n");

    like($section // '', qr/^\| \Q$form[0]\E.*; \|
\| \Q$form[1]\E(?:-|$name .*;) \|
\| \Q$form[2]\E/m,
         "$name has its syntax, default and contexts");
    delete $documented{$name};
}

is_deeply([keys %documented], [], 'no other directives are documented');

like($directives, qr/^\| `\$$_` \|/m, "\$$_ is documented")
    for $variables =~ /\{ ngx_string\("(katalo_\w+)"\)/g;

$gateway->start;
$gateway->request('GET', '/katalo/usage/summary');

my %member = map { $_ => 1 } members($gateway->status);

like($directives, qr/`"?$_"?`/, "the status member $_ is documented")
    for sort keys %member;


# the metrics, how many there are, and the sample

my $monitoring = slurp('docs/monitoring.md');
my $metrics = $gateway->request('GET', '/status?format=prometheus')->body;
my @of_key = grep { !/,(?:key_id|consumer)=/ }
             $metrics =~ /^(katalo_\w+\{key="[^"]+".*\}) /mg;
my @of_id = $metrics =~ /^(katalo_\w+\{key="[^"]*",key_id=.*\}) /mg;

like($monitoring, qr/`$_(?:\{[^`]*\})?`/, "the metric $_ is documented")
    for $metrics =~ /^# HELP (\w+)/mg;
is_deeply([$monitoring =~ /It is (\d+) for each key, (\d+) for each key id/],
          [scalar @of_key, scalar @of_id], 'and how many series there are');

like($monitoring, qr/^\| `$_` \|/m, "the alert $_ is documented")
    for slurp('docs/monitoring/alerts.yml') =~ /- alert: (\w+)/g;

for my $line ($monitoring =~ /^((?:# HELP )?katalo_\w+[ {].*)$/mg) {
    my $sample = $line =~ s/ [\d.]+$//r =~ s/01JQ7Z/prod1/r;

    ok(index($metrics, $sample) >= 0, "in the sample: $sample");
}

$gateway->quit;


# the gateway of README.md

my ($example) = slurp('README.md') =~ /^```nginx\n(.*?)^```$/ms;

$gateway->configure(complete('', localized($example)));
$gateway->set_key(katalo_api_key => $key);
$gateway->start;

sub answer {
    my ($host, $path) = @_;

    return $gateway->connection(port => $gateway->port(8080))
                   ->request('GET', $path, headers => ["Host: $host:8080"])
                   ->status;
}

$up->clear;

is(answer($_, '/katalo/usage/summary'), 200, "README.md: a client of $_")
    for qw(127.0.0.1 localhost);
is(answer('127.0.0.1', '/katalo_status'), 200, 'and the status');
is(scalar $up->received, 2, 'the upstream accepts the key');

is(answer('rebound.example', $_), 0, "no other host name has $_")
    for '/katalo/usage/summary', '/katalo_status';
is(scalar $up->received, 2, 'nor sends anything');

done_testing();
