package example.schoolbell;

import java.io.Serializable;

/**
 * One bad field of a request.
 *
 * @param path where the field is, such as {@code change.assignment.score_percent}
 * @param text what is wrong with it: a sentence that begins with the path
 * @param reason the rule that it breaks, such as {@code TOO_LONG}; empty where the server does not say
 */
public record FieldError(String path, String text, String reason) implements Serializable {}
