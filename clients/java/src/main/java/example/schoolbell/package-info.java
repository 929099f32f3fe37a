/**
 * The Java client of Schoolbell.
 *
 * <pre>{@code
 * try (Client client = new Client(Connection.fromEnvironment())) {
 *     GetCallerResponse caller =
 *         client.call(() -> client.access().getCaller(GetCallerRequest.getDefaultInstance()));
 * }
 * }</pre>
 *
 * <p>A {@link example.schoolbell.Client} holds a stub for each service of the contract, whose messages
 * are in the package {@code example.schoolbell.v1}. Unary calls have a default deadline and are repeated
 * where the contract says that this is safe. {@link example.schoolbell.SchoolbellException} carries the
 * service's reason of an error.
 *
 * <p>A {@link example.schoolbell.Publisher} publishes many changes on a stream and sends again what was
 * not answered when the stream broke. A {@link example.schoolbell.Watcher} follows what becomes of them
 * and resumes by itself. The client logs by {@link java.lang.System.Logger} under the name
 * {@code example.schoolbell}.
 */
package example.schoolbell;
