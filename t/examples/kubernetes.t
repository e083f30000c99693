#!/usr/bin/perl

# docs/examples/kubernetes: the manifests are of the API's schema and fit
# together, and two gateways that are started as they say follow the Secret and
# are added up by Prometheus.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use File::Temp;
use JSON::PP qw(decode_json);

use Katalo::Examples qw(example example_path gateway client_certificate);
use Katalo::Prometheus;
use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my @files = map { example_path("kubernetes/$_.yaml") }
                qw(gateway secret servicemonitor);


# (exit code, output)
sub manifest {
    my (@paths) = @_;
    my $output = `$FindBin::Bin/manifest @paths 2>&1`;

    return ($? >> 8, $output);
}


my ($code, $output) = manifest(@files);

is($code, 0, 'the manifests are of the schema') or BAIL_OUT($output);

my %object = map { $_->{kind} => $_ } @{ decode_json($output) };

my $broken = File::Temp->new;
print $broken example('kubernetes/gateway.yaml')
              =~ s/readOnlyRootFilesystem/readonlyRootFilesystem/r;
close $broken;
like((manifest("$broken"))[1],
     qr/securityContext\.readonlyRootFilesystem: no such field/,
     'which finds an error');


# what one says of another

my $conf = example('container/nginx.conf');
my $image = example('container/Containerfile');
my $spec = $object{Deployment}{spec};
my $pod = $spec->{template}{spec};
my $container = $pod->{containers}[0];
my %port = map { $_->{name} => $_->{containerPort} } @{ $container->{ports} };
my %volume = map { $_->{name} => $_ } @{ $pod->{volumes} };
my %mounted = map { $_->{mountPath} => $volume{ $_->{name} } }
                  @{ $container->{volumeMounts} };
my $labels = $spec->{template}{metadata}{labels};

is_deeply($_->[1], $labels, "$_->[0] selects the pods")
    for ['the Deployment', $spec->{selector}{matchLabels}],
        ['the Service', $object{Service}{spec}{selector}],
        ['the PodDisruptionBudget',
         $object{PodDisruptionBudget}{spec}{selector}{matchLabels}];

is_deeply($object{ServiceMonitor}{spec}{selector}{matchLabels},
          $object{Service}{metadata}{labels},
          'the ServiceMonitor selects the Service');

my %service = map { $_->{name} => $_->{targetPort} }
                  @{ $object{Service}{spec}{ports} };
my $endpoint = $object{ServiceMonitor}{spec}{endpoints}[0];

is_deeply([sort values %service], [sort keys %port],
          'the Service has the ports of the pods');
ok($service{ $endpoint->{port} }, 'and the one of the ServiceMonitor');
is_deeply([sort { $a <=> $b } values %port],
          [sort { $a <=> $b } $conf =~ /listen +(\d+)/g],
          'nginx listens on these');

my ($directory, $name) = $conf =~ m{file:(\S+)/(\w+)};

is($mounted{$directory}{secret}{secretName}, $object{Secret}{metadata}{name},
   'the key is in the Secret');
is_deeply([keys %{ $object{Secret}{stringData} }], [$name], 'by its name');
ok($mounted{$_}, "$_ is mounted")
    for map { m{ssl_\w+ +(/.*)/} } split /\n/, $conf;
is_deeply([grep { !m{^/(?:tmp/|dev/std)} }
           $conf =~ m{(?:_temp_path|_log|pid) +(/[^;\s]+)}g], [],
          'nginx writes to /tmp');
ok($mounted{'/tmp'}{emptyDir}, 'which can be written');

my ($user) = $image =~ /^USER (\d+):\d+$/m;
is_deeply([@{ $pod->{securityContext} }{qw(runAsUser runAsGroup fsGroup)}],
          [($user) x 3], 'the pods have the user of the image');
like(example($_), qr{"http://127\.0\.0\.1:8081/katalo_ready"},
     "$_ asks the same page as the probe")
    for 'container/Containerfile', 'container/Containerfile.nginx-org',
        'compose/compose.yaml';


# two of them

my $first = new_key('first');
my $second = new_key('second');
my $up = Katalo::Upstream->new(keys => [$first, $second]);


# As the kubelet does it: a directory for each content, and a link to it.
sub mount_secret {
    my ($gateway, $content, $n) = @_;
    my $keys = $gateway->prefix . '/keys';

    mkdir "$keys/..$n" or die "$keys/..$n: $!\n";
    $gateway->set_key("..$n/$name", $content);
    symlink "..$n", "$keys/..data.new" or die "..data: $!\n";
    rename "$keys/..data.new", "$keys/..data" or die "..data: $!\n";

    return;
}


my $often = $conf =~ s/ optional;/ check=200ms optional;/r;
my @gateways = map { gateway($often, upstream => $up) }
                   1 .. $spec->{replicas};

for my $gateway (@gateways) {
    mount_secret($gateway, $object{Secret}{stringData}{$name}, 1);
    symlink "..data/$name", $gateway->prefix . "/keys/$name" or die $!;
    $gateway->start;
}

my $probe = $container->{readinessProbe}{httpGet};


sub becomes {
    my ($status, $title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_until(sub {
        return !grep { $_->request('GET', $probe->{path})->status != $status }
                     @gateways;
    }), $title);

    return;
}


sub ask {
    my ($gateway, $number) = @_;

    curl(client_certificate('/CN=shop', 'ca'),
         $gateway->tls_url('/katalo/usage/summary')) for 1 .. $number;

    return;
}


is($probe->{port}, 'status', 'the probe asks the port of the status');
becomes(503, 'with the empty Secret no pod is ready');

mount_secret($_, $first, 2) for @gateways;
becomes(200, 'with a key they are');

my $relabelings = join '', map {
    my $rule = $_;
    join '', '      - ', join "\n        ",
        map({ s/([A-Z])/_\l$1/r . ": '$rule->{$_}'" } sort keys %$rule), "\n";
} @{ $endpoint->{relabelings} };

my $prometheus = Katalo::Prometheus->new(
    targets => [map { $_->port } @gateways], path => $endpoint->{path},
    scrape => <<"EOC" . $relabelings);
    relabel_configs:
      - source_labels: [__address__]
        target_label: pod
EOC

ask($gateways[0], 3);
ask($gateways[1], 2);
is_deeply([map { $up->auth($_) } $up->received(5)],
          [(expects_auth($first)) x 5], 'requests have the key');

my $query = 'sum without (instance) (katalo_requests_total{job="katalo",'
            . 'operation="usage"})';

my @sums;

ok(wait_until(sub {
    @sums = $prometheus->query($query);
    return @sums && $sums[0]{value} == 5;
}), 'Prometheus adds up both');
is(scalar @sums, 1, 'in one series');

mount_secret($_, $second, 3) for @gateways;
ok(wait_until(sub {
    return !grep { $_->status('/katalo_status')->{keys}[0]{ids}[0]{key_id}
                   ne 'second' } @gateways;
}), 'both follow the Secret');

lacks_secrets(join('', map { $_->error_log } @gateways), 'no log has a key');

done_testing();
