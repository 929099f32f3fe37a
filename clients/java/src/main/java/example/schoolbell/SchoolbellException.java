package example.schoolbell;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** A call, or a change of a batch, that was refused or failed. */
public final class SchoolbellException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final String REASON_PREFIX = "ERROR_REASON_";
    private static final String FIELD_PREFIX = "FIELD_ERROR_REASON_";

    private final Code code;
    private final String reason;
    private final Map<String, String> metadata;
    private final List<FieldError> fields;
    private final Duration retryAfter;

    private SchoolbellException(com.google.rpc.Status status, Throwable cause) {
        this(status.getMessage(), Details.of(status), cause);
    }

    private SchoolbellException(String message, Details details, Throwable cause) {
        super(details.text(message), cause);
        code = details.code;
        reason = details.reason;
        metadata = Map.copyOf(details.metadata);
        fields = List.copyOf(details.fields);
        retryAfter = details.retryAfter;
    }

    /** The same error for another thread, with that thread's stack. */
    private SchoolbellException(SchoolbellException first) {
        super(first.getMessage(), first);
        code = first.code;
        reason = first.reason;
        metadata = first.metadata;
        fields = first.fields;
        retryAfter = first.retryAfter;
    }

    /**
     * Returns the error of a call, such as a {@link StatusRuntimeException} of a stub.
     *
     * @param error what was thrown, or what a stream ended with
     * @return the error with what the service says of it
     */
    public static SchoolbellException of(Throwable error) {
        for (Throwable one = error; one != null; one = one.getCause()) {
            if (one instanceof SchoolbellException found) {
                return found;
            }
            if (one instanceof StatusRuntimeException || one instanceof StatusException) {
                com.google.rpc.Status status = StatusProto.fromThrowable(one);
                String message = transportMessage(status.getMessage(), one);
                return new SchoolbellException(status.toBuilder().setMessage(message).build(), error);
            }
        }
        return new SchoolbellException(
            com.google.rpc.Status.newBuilder()
                .setCode(Code.UNKNOWN.value())
                .setMessage(String.valueOf(error))
                .build(),
            error);
    }

    /**
     * Returns the error that a status is, such as that of a refused change.
     *
     * @param status for example {@code ack.getError()}
     * @return the error; empty where the status is OK
     */
    public static Optional<SchoolbellException> of(com.google.rpc.Status status) {
        return status.getCode() == Code.OK.value()
            ? Optional.empty()
            : Optional.of(new SchoolbellException(status, null));
    }

    /** Returns an error of this end. */
    static SchoolbellException own(Code code, String message) {
        return of(Status.fromCode(code).withDescription(message).asRuntimeException());
    }

    /** Marks the thread as interrupted and returns what its call throws. */
    static SchoolbellException interrupted() {
        Thread.currentThread().interrupt();
        return own(Code.CANCELLED, "the thread was interrupted");
    }

    SchoolbellException again() {
        return new SchoolbellException(this);
    }

    /**
     * Returns gRPC's code. UNAVAILABLE and DEADLINE_EXCEEDED say nothing about the outcome.
     *
     * @return the code
     */
    public Code code() {
        return code;
    }

    /**
     * Returns the service's reason.
     *
     * @return such as {@code ETAG_MISMATCH}; empty where the transport failed
     */
    public String reason() {
        return reason;
    }

    /**
     * Returns what belongs to the reason, such as the id of what was not found.
     *
     * @return texts by name
     */
    public Map<String, String> metadata() {
        return metadata;
    }

    /**
     * Returns the bad fields of the request.
     *
     * @return at most 20
     */
    public List<FieldError> fields() {
        return fields;
    }

    /**
     * Returns when to come back.
     *
     * @return the pause before the next try; empty where the service does not say
     */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(retryAfter);
    }

    /** Returns what gRPC says of a call, and beneath it what went wrong with the connection. */
    private static String transportMessage(String message, Throwable error) {
        String first = message.lines().findFirst().orElse(""); // gRPC goes on about its own pipeline
        Throwable root = error;
        boolean untrusted = false;
        while (root.getCause() != null && root.getCause() != root) {
            root = root.getCause();
            untrusted |= isAboutCertificates(root);
        }
        if (untrusted) {
            return "the server's certificate is not trusted: " + root.getMessage();
        }
        return root == error || root.getMessage() == null ? first : first + ": " + root.getMessage();
    }

    static boolean isAboutCertificates(Throwable error) {
        return error instanceof CertificateException || error instanceof CertPathValidatorException;
    }

    /** What a status says beside its message. */
    private static final class Details {
        private Code code;
        private String reason = "";
        private Map<String, String> metadata = Map.of();
        private final List<FieldError> fields = new ArrayList<>();
        private Duration retryAfter;

        static Details of(com.google.rpc.Status status) {
            Details found = new Details();
            found.code = Status.fromCodeValue(status.getCode()).getCode();
            for (Any detail : status.getDetailsList()) {
                try {
                    found.add(detail);
                } catch (InvalidProtocolBufferException error) {
                    continue; // what cannot be read says nothing
                }
            }
            // The service's own INTERNAL names a reason; gRPC's, and its UNKNOWN, are connections that broke.
            if (found.reason.isEmpty() && (found.code == Code.INTERNAL || found.code == Code.UNKNOWN)) {
                found.code = Code.UNAVAILABLE;
            }
            return found;
        }

        private void add(Any detail) throws InvalidProtocolBufferException {
            if (detail.is(ErrorInfo.class)) {
                ErrorInfo info = detail.unpack(ErrorInfo.class);
                reason = without(REASON_PREFIX, info.getReason());
                metadata = info.getMetadataMap();
            } else if (detail.is(BadRequest.class)) {
                for (BadRequest.FieldViolation one : detail.unpack(BadRequest.class).getFieldViolationsList()) {
                    String rule = without(FIELD_PREFIX, one.getReason());
                    fields.add(new FieldError(one.getField(), one.getDescription(), rule));
                }
            } else if (detail.is(RetryInfo.class)) {
                com.google.protobuf.Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
                Duration given = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
                retryAfter = given.isZero() || given.isNegative() ? null : given;
            }
        }

        private static String without(String prefix, String name) {
            return name.startsWith(prefix) ? name.substring(prefix.length()) : name;
        }

        /** Returns the code, the reason, and the message or what is wrong with each bad field. */
        private String text(String message) {
            String head = reason.isEmpty() ? code.name() : code.name() + " " + reason;
            if (fields.isEmpty()) {
                return head + ": " + message;
            }
            String told = fields.stream().map(FieldError::text).collect(Collectors.joining(" "));
            String total = metadata.getOrDefault("total", "");
            int more = total.matches("[0-9]{1,9}") ? Integer.parseInt(total) - fields.size() : 0;
            return head + ": " + told + (more > 0 ? " And " + more + " more." : "");
        }
    }
}
