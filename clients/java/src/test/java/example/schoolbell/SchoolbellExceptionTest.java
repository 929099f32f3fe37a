package example.schoolbell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.security.cert.CertificateException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SchoolbellExceptionTest {
    /** Returns a status as the service answers it. */
    static com.google.rpc.Status status(Code code, String reason) {
        ErrorInfo info = ErrorInfo.newBuilder().setReason(reason).putMetadata("total", "3").build();
        return com.google.rpc.Status.newBuilder().setCode(code.value()).addDetails(Any.pack(info)).build();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "ERROR_REASON_"})
    void anErrorCarriesWhatTheServiceSays(String prefix) {
        BadRequest bad = BadRequest.newBuilder().addFieldViolations(BadRequest.FieldViolation.newBuilder()
            .setField("change.key").setDescription("change.key is required.").setReason("REQUIRED")).build();
        RetryInfo retry = RetryInfo.newBuilder()
            .setRetryDelay(com.google.protobuf.Duration.newBuilder().setSeconds(1).setNanos(500_000_000)).build();
        com.google.rpc.Status given = status(Code.INVALID_ARGUMENT, prefix + "INVALID_FIELD").toBuilder()
            .addDetails(Any.pack(bad)).addDetails(Any.pack(retry)).build();
        for (SchoolbellException found : List.of(
                SchoolbellException.of(given).orElseThrow(),
                SchoolbellException.of(StatusProto.toStatusRuntimeException(given)),
                SchoolbellException.of(StatusProto.toStatusRuntimeException(given)).again())) {
            assertEquals(Code.INVALID_ARGUMENT, found.code());
            assertEquals("INVALID_FIELD", found.reason());
            assertEquals(Map.of("total", "3"), found.metadata());
            assertEquals(
                List.of(new FieldError("change.key", "change.key is required.", "REQUIRED")), found.fields());
            assertEquals(Optional.of(Duration.ofMillis(1_500)), found.retryAfter());
            assertEquals(
                "INVALID_ARGUMENT INVALID_FIELD: change.key is required. And 2 more.", found.getMessage());
        }
    }

    @Test
    void anErrorCanBeSerialized() throws IOException, ClassNotFoundException {
        ByteArrayOutputStream raw = new ByteArrayOutputStream();
        new ObjectOutputStream(raw).writeObject(SchoolbellException.of(status(Code.NOT_FOUND, "NONE")).orElseThrow());
        Object read = new ObjectInputStream(new ByteArrayInputStream(raw.toByteArray())).readObject();
        assertEquals(Map.of("total", "3"), ((SchoolbellException) read).metadata());
    }

    @Test
    void okIsNoError() {
        assertEquals(Optional.empty(), SchoolbellException.of(com.google.rpc.Status.getDefaultInstance()));
    }

    @ParameterizedTest
    @EnumSource(names = {"INTERNAL", "UNKNOWN", "UNAVAILABLE"})
    void aFaultOfTheTransportSaysNothingOfTheOutcome(Code code) {
        Exception fault = Status.fromCode(code).withDescription("broken").asRuntimeException();
        assertEquals(Code.UNAVAILABLE, SchoolbellException.of(fault).code());
        Exception answer = StatusProto.toStatusRuntimeException(status(code, "STORAGE_UNAVAILABLE"));
        assertEquals(code, SchoolbellException.of(answer).code());
    }

    @Test
    void anUntrustedCertificateIsNamed() {
        Exception beneath = new IOException("io", new CertificateException("expired yesterday"));
        String message = SchoolbellException.of(
            Status.UNAVAILABLE.withDescription("io exception\nChannel Pipeline: []").withCause(beneath)
                .asRuntimeException()).getMessage();
        assertEquals("UNAVAILABLE: the server's certificate is not trusted: expired yesterday", message);
        assertTrue(SchoolbellException.of(new IllegalStateException("odd")).getMessage().contains("odd"));
    }
}
