package Katalo::Test;

=head1 NAME

Katalo::Test - a real nginx with the module, for tests in plain Perl

=head1 SYNOPSIS

  use FindBin;
  use lib "$FindBin::Bin/lib";
  use Test::More;
  use Katalo::Test qw(:all);
  use Katalo::Upstream qw(expects_auth);

  my $key = new_key('prod1');                # kat_live_prod1.<random>
  my $up = Katalo::Upstream->new(keys => [$key]);
  my $gateway = Katalo::Test->new(
      upstream => $up, keys => { production => $key })->start;

  my $response = $gateway->request('GET', '/katalo/usage/summary',
                                   headers => ['Cookie: a=b']);
  is($response->status, 200, 'usage is answered');
  my ($record) = $up->received(1);
  is_deeply([$up->auth($record)], [expects_auth($key)], 'the key, once');
  lacks_secrets($gateway->error_log, 'the error log shows no key');

=head1 THE GATEWAY

new() takes: http (the inside of http{}; gateway_http() if not given), main and
events (further lines of those levels), or conf (a whole configuration, as
t/demo.conf), keys (name => content, each a file of mode 0600), upstream (a
Katalo::Upstream), vars (further placeholders), env (of the master; undef
unsets), workers (1), debug (1 logs at debug level), user.  Nothing runs until
start().

Placeholders: %PORT% %PORT2% ... %TLS_PORT% ... (free ports of 127.0.0.1),
%PREFIX%, %KEY:name% (path of a key's file), %UPSTREAM_PORT% (TLS),
%UPSTREAM_PLAIN_PORT%, %UPSTREAM% (a block with the name app.katalo.ai, and the
CA for it), %KEPT_UPSTREAM% (the same with connections that are kept), %CA%
%OTHER_CA% %CERT% %CERT_KEY%, and those in vars.
access_log is logs/access.log unless the http text has its own.

  start, stop, quit        each waits for its end; start dies if nginx does not
                           run; stop and quit return the wait status
  reload(%new)             replaces parts given (http, main, ...), sends HUP and
                           waits for the new workers; false if the new
                           configuration was refused; gone => 1 waits for the
                           end of the old workers too
  configure(%new)          replaces parts, for a HUP that the test sends
  reopen                   USR1, and waits until all have the new logs
  signal($name)            to the master
  kill_worker($pid)        waits until another one serves in its place; the
                           first one if none is given, returns its pid
  is_running, master_pid, worker_pids
  test_config($http), test_config(%new)
                           (exit code, output) of nginx -t with parts replaced
  dump_config              output of nginx -T
  port($n), tls_port($n), url($path), tls_url($path)
  request($method, $target, headers => [...], body =>, chunked => [...],
          http => '1.0', tls => 1)
  send_raw($bytes, tls => 1, method => 'GET')
  connection(tls => 1)     a Katalo::Test::Client, for keep-alive, pipelining
  status($target)          the decoded JSON of a katalo_status location
  settled_status($target)  the same, once no request is in flight: a response
                           is counted a moment after the client has it
  set_key($name, $content) replaces a key's file by rename
  write_file($path, $content, $mode), read_file($path)   below the prefix
  error_log, access_log    texts; mark_log makes error_log begin here
  wait_for_log(qr/.../, $timeout)

request() asks nginx to close the connection unless the headers say otherwise,
and waits for that: then the request is counted and logged.

request() and the like give a Katalo::Test::Response: status (0 if none came),
version, reason, head, interim (heads of 1xx responses), headers,
header($name), header_names, body, json, raw, complete.

=head1 FUNCTIONS

  gateway_http(%option)                 http of a gateway with the key
                                        production in /katalo/, and the JSON
                                        status in /status; key: parameters of
                                        katalo_key, as check=100ms; keys: names
                                        in place of production, each with the
                                        location /name/; http, server: further
                                        lines there; upstream: KEPT_UPSTREAM in
                                        place of UPSTREAM
  new_key($id), new_secret($length)     random, never shown
  redact($text)
  is_redacted($got, $expected, $name)   compares what may hold a key
  like_redacted($got, $pattern, $name)
  lacks_secrets($text, $name)           no key made so far, in no form
  wait_until(sub { ... }, $timeout)     what the sub returned last
  curl(@args)                           a Response with exit and error; for
                                        HTTP/2 and what else curl can do
  curl_has('HTTP2' | 'HTTP3')
  has_feature('debug' | 'http_v2' | 'http_v3' | any --with- name)
  nginx_version, nginx_at_least('1.25.1')
  certificate($name), certificate_key($name)   see Katalo::Test::Certificates

=head1 ENVIRONMENT

  TEST_NGINX_BINARY   /usr/sbin/nginx
  TEST_NGINX_MODULE   the module's .so; objs/ngx_http_katalo_module.so of this
                      repository if unset; empty for a static build
  TEST_NGINX_LOAD     further modules to load, separated by spaces
  TEST_NGINX_TOOL     what nginx runs under, see Katalo::Test::Tool

=cut

use strict;
use warnings;

use parent qw(Katalo::Test::Prefix);

use Exporter qw(import);
use File::Temp;

use Katalo::Test::Certificates qw(certificate certificate_key);
use Katalo::Test::Client;
use Katalo::Test::Curl qw(curl curl_has);
use Katalo::Test::Nginx qw(has_feature nginx_version nginx_at_least);
use Katalo::Test::Process qw(wait_until children serves title slurp);
use Katalo::Test::Secrets qw(new_key new_secret redact is_redacted
                             like_redacted lacks_secrets);

our @EXPORT_OK = qw(gateway_http new_key new_secret redact is_redacted
                    like_redacted lacks_secrets wait_until curl curl_has
                    has_feature nginx_version nginx_at_least certificate
                    certificate_key);
our %EXPORT_TAGS = (all => \@EXPORT_OK);


sub new {
    my ($class, %option) = @_;

    $option{http} //= gateway_http() if !$option{conf};

    return $class->SUPER::new(workers => 1, %option);
}


sub gateway_http {
    my %part = (key => '', http => '', server => '', upstream => 'UPSTREAM',
                @_);

    my @keys = @{ $part{keys} // ['production'] };
    my $keys = join '', map { "katalo_key $_ file:%KEY:$_% $part{key};\n" }
                        @keys;
    my $locations = join '', map { <<"EOC" } @keys;
        location /@{[ $part{keys} ? $_ : 'katalo' ]}/ {
            katalo_bearer $_;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
EOC

    return <<"EOC";
    $keys
    $part{http}
    %$part{upstream}%
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status json; }
        $part{server}
$locations
    }
EOC
}


sub start {
    my ($self) = @_;

    $self->_write_config('nginx.conf');
    $self->{process} = Katalo::Test::Process->spawn(
        command => [$self->_command('nginx.conf')],
        output => "$self->{prefix}/logs/output", env => $self->{env});

    wait_until(sub { $self->worker_pids == $self->{workers}
                     || !$self->{process}->is_running });

    die 'nginx does not run: ' . redact($self->read_file('logs/output'))
        if !$self->{process}->is_running
           || $self->worker_pids != $self->{workers};

    return $self;
}


sub stop { return $_[0]{process}->stop('TERM') }
sub quit { return $_[0]{process}->stop('QUIT') }
sub signal { return $_[0]{process}->signal($_[1]) }
sub is_running { return $_[0]{process}->is_running }
sub master_pid { return $_[0]{process}->pid }


# Workers that serve: they take their title once they are initialized, and
# another one when they begin to leave.
sub worker_pids {
    my ($self) = @_;

    return grep { Katalo::Test::Tool::shows_titles()
                  ? title($_) eq 'nginx: worker process' : serves($_) }
                children($self->master_pid);
}


sub configure {
    my ($self, %new) = @_;

    @$self{keys %new} = values %new;
    $self->_write_config('nginx.conf');

    return;
}


sub reload {
    my ($self, %new) = @_;
    my %old = map { $_ => 1 } $self->worker_pids;
    my $gone = delete $new{gone};
    my $end = length $self->read_file('logs/error.log');

    $self->configure(%new);
    $self->signal('HUP');

    my $outcome = wait_until(sub {
        my @now = $self->worker_pids;
        return 'up' if @now == $self->{workers} && !grep { $old{$_} } @now;
        return 'refused' if substr($self->read_file('logs/error.log'), $end)
                            =~ /: reconfiguring\n.*\[emerg\]/s;
    }) // '';

    if ($gone && $outcome eq 'up') {
        wait_until(sub { !grep { $old{$_} } children($self->master_pid) })
            or die "old workers do not leave\n";
    }

    die "no new workers after a reload\n" if !$outcome;

    return $outcome eq 'up';
}


sub reopen {
    my ($self) = @_;
    my $log = "$self->{prefix}/logs/error.log";

    $self->signal('USR1');

    return wait_until(sub {
        for my $pid ($self->master_pid, $self->worker_pids) {
            return 0 if !grep { (readlink $_ // '') eq $log }
                              glob "/proc/$pid/fd/*";
        }
        return -e $log;
    });
}


sub kill_worker {
    my ($self, $victim) = @_;

    $victim //= ($self->worker_pids)[0];
    kill 'KILL', $victim;

    wait_until(sub {
        my @now = $self->worker_pids;
        return @now == $self->{workers} && !grep { $_ == $victim } @now;
    }) or die "no new worker\n";

    return $victim;
}


sub test_config {
    my ($self, @new) = @_;
    my %new = @new == 1 ? (http => $new[0]) : @new;

    local @$self{keys %new} = values %new;
    $self->_write_config('test.conf');

    return $self->_run($self->_command('test.conf'), '-t');
}


sub dump_config {
    my ($self) = @_;

    return ($self->_run($self->_command('nginx.conf'), '-T'))[1];
}


sub connection {
    my ($self, %option) = @_;
    my $port = $option{tls} ? $self->tls_port : $self->port;

    return Katalo::Test::Client->new(port => $port, %option);
}


sub request {
    my ($self, $method, $target, %option) = @_;

    push @{ $option{headers} = [@{ $option{headers} // [] }] },
         'Connection: close'
        if !grep { /^connection:/i || ref $_ && lc $_->[0] eq 'connection' }
                 @{ $option{headers} // [] };

    my $client = $self->connection(%option);
    my $response = $client->request($method, $target, %option);

    # nginx closes the connection once it has counted and logged the request

    $client->is_closed if $response->complete && $response->closes;

    return $response;
}


sub send_raw {
    my ($self, $bytes, %option) = @_;
    my $client = $self->connection(%option);

    $client->write($bytes);

    return $client->read_response($option{method} // 'GET');
}


sub status {
    my ($self, $target) = @_;

    return $self->request('GET', $target // '/status')->json;
}


sub settled_status {
    my ($self, $target) = @_;
    my $status;

    wait_until(sub {
        $status = $self->status($target);
        return !grep { $_->{in_flight} } @{ $status->{keys} };
    }) or die "requests stay in flight\n";

    return $status;
}


sub _command {
    my ($self, $name) = @_;

    return Katalo::Test::Nginx::command($self->{prefix}, $name);
}


sub _write_config {
    my ($self, $name) = @_;
    my $text = Katalo::Test::Nginx::config(%$self);

    return $self->write_file("conf/$name", $self->expand($text));
}


sub _run {
    my ($self, @command) = @_;
    my $output = File::Temp->new;

    my $process = Katalo::Test::Process->spawn(
        command => \@command, output => "$output", env => $self->{env});
    wait_until(sub { !$process->is_running });

    return ($process->stop >> 8, slurp("$output"));
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $@, $!);
    $self->{process}->DESTROY if $self->{process};
}

1;
