package Katalo::Fuzz::Limits;

# What must hold of cool-downs, of Idempotency-Key, and of the answer to probes.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP qw(decode_json encode_json);

use Katalo::Fuzz::Consumers qw(at);
use Katalo::Fuzz::Message qw(value);
use Katalo::Fuzz::Render qw(locations);

our @EXPORT_OK = qw(limit_invariants);

# seconds that no case takes
use constant LONG => 40;

my %class = (create => 'write', regenerate => 'write', read => 'read',
             usage => 'usage', billing => 'usage');


sub limit_invariants {
    my ($case, $result) = @_;

    return if $result->{started}{a} ne 'up';

    my @locations = locations($case->{tree});
    my @sent = map { _sent($_, \@locations) }
               grep { $_->{side} eq 'a' && $_->{port} =~ /^[KL]$/ }
                    @{ $result->{records} };

    return (_obeyed($case, @sent), _answers($case, $result, \@locations, @sent),
            _idempotency($case, @sent), _ready($result));
}


# A request to the upstream: record, id, key, class, operation, env (of its
# location), and seconds of the cool-down that its answer begins, undef if that
# is not known here.
sub _sent {
    my ($record, $locations) = @_;
    my $at = at($record) // {};
    my %do = map { /^(\w+)=?(.*)/ } map { split /,/ } value($record, 'X-Fz-Do');
    my ($key) = join(' ', value($record, 'Authorization')) =~ /kat_live_(\w+)/;

    return { record => $record, key => $key // '',
             id => $at->{id} || (value($record, 'X-Fz-Id'))[0] || 0,
             operation => $at->{operation},
             class => $at->{n} && ($class{ $at->{operation} } // 'other'),
             env => $at->{n} && $locations->[$at->{n} - 1]{env},
             limited => ($do{status} // '') eq '429',
             seconds => scalar _seconds($record, %do) };
}


sub _seconds {
    my ($record, %do) = @_;

    # the answer may be cut off, be no 429, or come in parts
    return if grep { !/^(?:status|rb|ra|cors|cookie|chunked|who)$/ } keys %do;
    return if defined $do{rb} && $record->{method} eq 'HEAD';
    return $do{rb} if ($do{rb} // '') =~ /^\d+$/;
    return if !defined $do{ra};
    return $do{ra} < 0 ? 0 : $do{ra};
}


# Seconds that katalo_cooldown obeys.
sub _bound {
    my ($env) = @_;

    return { off => 0, '1s' => 1, '60s' => 60, '1h' => 3600 }
           ->{ $env->{katalo_cooldown} };
}


# Nothing is sent while the class cools.
sub _obeyed {
    my ($case, @sent) = @_;
    my (%until, @failures);

    # what belongs to a request that was let through is sent
    return if encode_json($case->{tree}) =~ /background_update|"slice /;

    for my $sent (sort { $a->{id} <=> $b->{id} } grep { $_->{env} } @sent) {
        my $class = "$sent->{key} $sent->{class}";

        next if $sent->{env}{katalo_cooldown} eq 'off';

        push @failures, ['cooldown:sent', $sent->{record}{raw}]
            if $until{$class} && $until{$class} < $sent->{id};
        $until{$class} //= $sent->{id}
            if $sent->{limited} && ($sent->{seconds} // 0) >= LONG
               && _bound($sent->{env}) >= LONG;
    }

    return @failures;
}


# Each refusal has a 429 before it.
sub _answers {
    my ($case, $result, $locations, @sent) = @_;
    my @failures;

    for my $answer (@{ $result->{answers} }) {
        my $client = $answer->{a} or next;
        my ($n) = value($client, 'X-Fz-Loc') or next;
        my ($decision) = value($client, 'X-Katalo-Gateway');
        my $error = $client->{body} =~ /"retryable"/
                    && eval { decode_json($client->{body})->{error} };

        next if ($decision // '') ne 'cooldown' || !$error;

        my ($after) = value($client, 'Retry-After');
        my ($op, $key) = join(' ', value($client, 'X-Fz-Op')) =~ /^(\w+) (\w+)/;
        my $where = "request $answer->{id}: $client->{body}";

        push @failures, ['cooldown:answer', $where]
            if $error->{code} ne 'rate_limited' || !$error->{retryable}
               || ($after // '') !~ /^(?:[1-9]|[1-5]\d|60)$/
               || $error->{retry_after} ne $after;
        push @failures, ['cooldown:refused where it is off', $where]
            if $locations->[$n - 1]{env}{katalo_cooldown} eq 'off';
        push @failures, ['cooldown:refused without a 429', $where]
            if !grep { _causes($_, $answer->{id}, $op, $key) } @sent;
    }

    return @failures;
}


# Could it be why such a request is refused?
sub _causes {
    my ($sent, $id, $op, $key) = @_;

    return 0 if !$sent->{limited} || $sent->{id} > $id;
    return 0 if defined $sent->{seconds} && $sent->{seconds} == 0;
    return 0 if defined $key && $sent->{key} !~ /^$key/;
    return 1 if !$sent->{env};
    return 0 if $sent->{env}{katalo_cooldown} eq 'off';

    return !defined $op || $sent->{class} eq ($class{$op} // 'other');
}


sub _idempotency {
    my ($case, @sent) = @_;
    my @failures;

    for my $sent (grep { $_->{env} } @sent) {
        next if $sent->{operation} !~ /^(?:create|regenerate)$/
                || $sent->{env}{katalo_idempotency} eq 'pass';

        my @keys = value($sent->{record}, 'Idempotency-Key');
        my $stripped = $sent->{env}{katalo_strip} =~ /Idempotency-Key/;
        my ($own) = $stripped ? () : grep { length }
                      map { $_->[1] } grep { $_->[0] eq 'Idempotency-Key' }
                      @{ $case->{requests}[$sent->{id} - 1]{headers} };
        my $require = $sent->{env}{katalo_idempotency} eq 'require';

        push @failures, ['idempotency:none', $sent->{record}{raw}]
            if $require && !defined $own;
        push @failures, ['idempotency:' . @keys . ' headers',
                         $sent->{record}{raw}] if @keys != 1;
        push @failures, ["idempotency:another key", $sent->{record}{raw}]
            if @keys == 1 && (defined $own ? $keys[0] !~ /^\Q$own\E$/
                              : $keys[0] !~ /^[0-9a-f]{32}$/);
    }

    return @failures;
}


# Probes are told what the status says.
sub _ready {
    my ($result) = @_;
    my ($status, $ready) = @$result{qw(status ready)};

    return if !$status;
    return ['ready:no answer', 'of the probe'] if !$ready;

    my @bad = map { $_->{key} } grep { !$_->{usable} || $_->{rejected} }
                                     @{ $status->{keys} };
    my $told = !@bad ? $ready->{status} == 200 && $ready->{body} eq "ready\n"
               : $ready->{status} == 503
                 && !grep { $ready->{body} !~ /\b$_\b/ } @bad;

    return $told ? () : ['ready:another answer',
                         "$ready->{status}, $ready->{body}, not of @bad"];
}

1;
