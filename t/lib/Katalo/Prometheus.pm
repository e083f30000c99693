package Katalo::Prometheus;

# A real Prometheus on a free port, with its data in a directory of its own,
# that ends with the test.
#
#   my $prometheus = Katalo::Prometheus->new(
#       targets => [$gateway->port, ...], path => '/status',
#       rules => ['/path/of/rules.yml']);
#                                     scrape: further lines of the scrape job
#   $prometheus->query('sum(up)');    # a list of { metric, value }
#   $prometheus->value('sum(up)');    # the value of the first
#   $prometheus->get('targets');      # data of any page of its API
#   promtool(input => $text, 'check', 'metrics');    # (exit code, output)

use strict;
use warnings;

use Exporter qw(import);
use File::Temp;

use Katalo::Test::Client;
use Katalo::Test::Port qw(free_port);
use Katalo::Test::Process qw(wait_until slurp);

our @EXPORT_OK = qw(promtool);


sub new {
    my ($class, %option) = @_;
    my $directory = File::Temp->newdir('katalo-prometheus-XXXXXX', TMPDIR => 1);
    my $self = bless { directory => $directory, port => free_port() }, $class;
    my $targets = join ', ', map { "'127.0.0.1:$_'" } @{ $option{targets} };
    my $rules = join '', map { "  - '$_'\n" } @{ $option{rules} };

    _write("$directory/prometheus.yml", <<"EOC");
global:
  scrape_interval: 3s
  scrape_timeout: 3s
  evaluation_interval: 200ms
rule_files:
$rules
scrape_configs:
  - job_name: katalo
    metrics_path: $option{path}
    static_configs:
      - targets: [$targets]
@{[ $option{scrape} // '' ]}
EOC

    $self->{process} = Katalo::Test::Process->spawn(
        output => "$directory/output", command => [
            'prometheus', "--config.file=$directory/prometheus.yml",
            "--storage.tsdb.path=$directory/data", '--log.level=warn',
            "--web.listen-address=127.0.0.1:$self->{port}"]);

    wait_until(sub { $self->_is_ready || !$self->{process}->is_running });
    $self->_is_ready or die 'prometheus: ' . $self->output;

    return $self;
}


sub output { return slurp("$_[0]{directory}/output") }
sub stop { return $_[0]{process}->stop }


sub get {
    my ($self, $page, %argument) = @_;
    my $query = join '&', map {
        my $value = $argument{$_};
        $value =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ge;
        "$_=$value";
    } keys %argument;

    my $answer = $self->_request("/api/v1/$page?$query")->json;

    die "$page: $answer->{error}\n" if $answer->{status} ne 'success';

    return $answer->{data};
}


sub query {
    my ($self, $expression) = @_;

    return map { { metric => $_->{metric}, value => $_->{value}[1] } }
           @{ $self->get('query', query => $expression)->{result} };
}


sub value {
    my ($self, $expression) = @_;
    my ($first) = $self->query($expression);

    return $first && $first->{value};
}


# The arguments are promtool's; input is what it reads, directory where it runs.
sub promtool {
    my (%option) = (splice(@_, 0, 2));
    my $input = File::Temp->new;
    my $output = File::Temp->new;

    _write("$input", $option{input} // '');

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        chdir $option{directory} if $option{directory};
        open STDIN, '<', "$input";
        open STDOUT, '>', "$output";
        open STDERR, '>&', \*STDOUT;
        exec 'promtool', @_ or POSIX::_exit(127);
    }

    waitpid $pid, 0;

    return ($? >> 8, slurp("$output"));
}


sub _is_ready {
    my ($self) = @_;

    return eval { $self->_request('/-/ready')->status == 200 };
}


sub _request {
    my ($self, $target) = @_;

    return Katalo::Test::Client->new(port => $self->{port})->request(
        'GET', $target, headers => ['Connection: close']);
}


sub _write {
    my ($path, $text) = @_;

    open my $file, '>', $path or die "$path: $!\n";
    print $file $text;
    close $file or die "$path: $!\n";

    return;
}

1;
