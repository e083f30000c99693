#!/usr/bin/perl

# The dashboard is what Grafana imports as it is, and shows what there is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use JSON::PP qw(decode_json);

use Katalo::Prometheus;
use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);
use Katalo::Upstream;

my $directory = "$FindBin::Bin/../../docs/monitoring";
my $dashboard = decode_json(slurp("$directory/dashboard.json"));
my @panels = @{ $dashboard->{panels} };
my %core = map { $_ => 1 } qw(stat timeseries table row text bargauge gauge);


# the file by itself

cmp_ok($dashboard->{schemaVersion}, '>=', 39, 'a schema of Grafana 10.3 on');
ok(!exists $dashboard->{id}, 'no id of some installation');
ok(!exists $dashboard->{__inputs}, 'no input to be asked for');
is_deeply([grep { !$core{$_} } map { $_->{type} } @panels], [],
          'panels that Grafana has by itself');

my %ids = map { $_->{id} => 1 } @panels;
is(scalar keys %ids, scalar @panels, 'each with its id');

my @variables = @{ $dashboard->{templating}{list} };
is_deeply([map { "$_->{type} $_->{name}" } @variables],
          ['datasource datasource', 'query key'], 'two variables');

my @queries = map { { %$_, panel => $_[0] } }
              map { my $panel = $_;
                    map { { %$_, title => $panel->{title} } }
                        @{ $panel->{targets} } } @panels;
is_deeply([grep { $_ ne '${datasource}' }
           map { $_->{datasource}{uid} } @panels, @queries, $variables[1]],
          [], 'all of the data source that is chosen');

my %cell;
for my $panel (@panels) {
    my ($x, $y, $w, $h) = @{ $panel->{gridPos} }{qw(x y w h)};

    for my $column ($x .. $x + $w - 1) {
        push @{ $cell{"$column $_"} }, $panel->{title} for $y .. $y + $h - 1;
    }
}
is_deeply([grep { @$_ > 1 } values %cell], [], 'no panel over another one');
is_deeply([grep { (split)[0] > 23 } keys %cell], [], 'none beside the grid');


# with a real scrape

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => <<'EOC')->start;
    katalo_cooldown off;
    katalo_key production file:%KEY:production%;
    %UPSTREAM%
    server {
        listen 127.0.0.1:%PORT%;
        location / {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status; }
    }
EOC

my $prometheus = Katalo::Prometheus->new(
    targets => [$gateway->port], path => '/status',
    rules => ["$directory/recording.yml"]);


sub make_requests {
    $gateway->request('GET', '/usage/summary', headers => ['Cookie: a=b']);
    $gateway->request('GET', '/x', headers => ['Origin: https://a.example']);
    $gateway->request('GET', '/x-status/429');
}


sub expression {
    my ($query) = @_;

    return $query->{expr} =~ s/\$key/.*/gr;
}


# a rate takes two samples, a quantile an increase between them

wait_until(sub { $prometheus->value('count_over_time(katalo_key_usable[1h])') })
    or die "nothing is scraped\n";
make_requests();

for my $query (@queries) {
    my $expression = expression($query);
    my @found;

    wait_until(sub { @found = grep { $_->{value} ne 'NaN' }
                              $prometheus->query($expression) });
    ok(scalar @found, "$query->{title}: $expression");
}

# where nginx was late once, there are none until the next scrape

my @usable;

wait_until(sub { @usable = $prometheus->query('katalo_key_usable') });
is_deeply([map { $_->{metric}{key} } @usable], ['production'],
          'the values of the variable "key"');

my $named = join ' ', map { $_->{expr} } @queries;
my @recorded = slurp("$directory/recording.yml") =~ /record: (\S+)$/mg;
my %used = map { $_ => 1 } $named =~ /(\w+:katalo_\w+:\w+)/g;
is_deeply([grep { my $name = $_; !grep { $_ eq $name } @recorded }
           sort keys %used], [], 'rules that exist');

done_testing();
