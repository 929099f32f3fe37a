# Español. Cada mensaje tiene las formas generic (sin nombres ni valores), student y parent.

# El estudiante, para sus padres; puede faltar el nombre.
child = { $known ->
    [named] { $student }
   *[unnamed] Su estudiante
}
score = { $points ->
    [one] { $points } punto
   *[other] { $points } puntos
}
# Dónde y cuándo se hizo el registro.
when = { $span ->
    [course-period] { $course }, periodo { $period }, { $date }
    [course] { $course }, { $date }
    [period] Periodo { $period }, { $date }
   *[day] { $date }
}
# Una sesión de un periodo flexible, y cuándo es.
session = { $naming ->
    [place] { $offering } ({ $place })
    [offering] { $offering }
   *[unnamed] Sesión
}
slot = { $date }, periodo { $period }

# El curso, que puede faltar.
in-course = { $has_course ->
    [yes] { " " }en { $course }
   *[no] { "" }
}
# La tarea, que puede no tener título.
work = { $has_title ->
    [yes] { $title }
   *[no] Una tarea
}
not-handed-in = { $has_title ->
    [yes] No se entregó: { $title }.
   *[no] No se entregó una tarea.
}

test =
    .generic-title = Schoolbell
    .generic-body = Esto es una prueba. Las notificaciones llegan a este teléfono.

assignment-assigned =
    .generic-title = Nueva tarea
    .generic-body = Se asignó una nueva tarea.
    .student-title = Nueva tarea{ in-course }
    .student-body = { work }
    .parent-title = { child }: nueva tarea{ in-course }
    .parent-body = { work }
assignment-scored =
    .generic-title = Nueva puntuación
    .generic-body = Se calificó una tarea.
    .student-title = Nueva puntuación{ in-course }
    .student-body = { work }: { $percent }
    .parent-title = { child }: nueva puntuación{ in-course }
    .parent-body = { work }: { $percent }
assignment-scored-points =
    .generic-title = Nueva puntuación
    .generic-body = Se calificó una tarea.
    .student-title = Nueva puntuación{ in-course }
    .student-body = { work }: { score }
    .parent-title = { child }: nueva puntuación{ in-course }
    .parent-body = { work }: { score }
assignment-scored-mark =
    .generic-title = Nueva puntuación
    .generic-body = Se calificó una tarea.
    .student-title = Nueva puntuación{ in-course }
    .student-body = { work }: { $mark }
    .parent-title = { child }: nueva puntuación{ in-course }
    .parent-body = { work }: { $mark }
assignment-missing =
    .generic-title = Tarea no entregada
    .generic-body = No se entregó una tarea.
    .student-title = Tarea no entregada{ in-course }
    .student-body = { not-handed-in }
    .parent-title = { child }: tarea no entregada{ in-course }
    .parent-body = { not-handed-in }
assignment-due-date-moved =
    .generic-title = Nueva fecha de entrega
    .generic-body = Una tarea tiene otra fecha de entrega.
    .student-title = Nueva fecha de entrega{ in-course }
    .student-body = { work } se entrega ahora el { $date }.
    .parent-title = { child }: nueva fecha de entrega{ in-course }
    .parent-body = { work } se entrega ahora el { $date }.
assignment-withdrawn =
    .generic-title = Tarea retirada
    .generic-body = Se retiró una tarea.
    .student-title = Tarea retirada{ in-course }
    .student-body = { work }
    .parent-title = { child }: tarea retirada{ in-course }
    .parent-body = { work }
assignment-cleared =
    .generic-title = Puntuación eliminada
    .generic-body = Se eliminó la puntuación de una tarea o su aviso de no entregada.
    .student-title = Puntuación eliminada{ in-course }
    .student-body = { work } no tiene puntuación ni figura como no entregada.
    .parent-title = { child }: puntuación eliminada{ in-course }
    .parent-body = { work } no tiene puntuación ni figura como no entregada.

grade-posted =
    .generic-title = Nueva calificación publicada
    .generic-body = Se publicó una calificación.
    .student-title = Nueva calificación{ in-course }
    .student-body = { $grading_task }: { $percent }
    .parent-title = { child }: nueva calificación{ in-course }
    .parent-body = { $grading_task }: { $percent }
grade-posted-mark =
    .generic-title = Nueva calificación publicada
    .generic-body = Se publicó una calificación.
    .student-title = Nueva calificación{ in-course }
    .student-body = { $grading_task }: { $mark }
    .parent-title = { child }: nueva calificación{ in-course }
    .parent-body = { $grading_task }: { $mark }
grade-removed =
    .generic-title = Calificación eliminada
    .generic-body = Se eliminó una calificación.
    .student-title = Calificación eliminada{ in-course }
    .student-body = { $grading_task }
    .parent-title = { child }: calificación eliminada{ in-course }
    .parent-body = { $grading_task }

attendance-absent =
    .generic-title = Asistencia
    .generic-body = Se registró una ausencia.
    .student-title = Ausencia registrada
    .student-body = { when }
    .parent-title = Se registró la ausencia de { child }
    .parent-body = { when }
attendance-tardy =
    .generic-title = Asistencia
    .generic-body = Se registró una llegada tarde.
    .student-title = Llegada tarde registrada
    .student-body = { when }
    .parent-title = { child } llegó tarde
    .parent-body = { when }
attendance-early-leave =
    .generic-title = Asistencia
    .generic-body = Se registró una salida anticipada.
    .student-title = Salida anticipada registrada
    .student-body = { when }
    .parent-title = { child } salió antes de hora
    .parent-body = { when }
attendance-present =
    .generic-title = Asistencia
    .generic-body = Se registró la asistencia.
    .student-title = Asistencia registrada
    .student-body = { when }
    .parent-title = { child } figura como presente
    .parent-body = { when }
attendance-cleared =
    .generic-title = Asistencia
    .generic-body = Se retiró un registro de asistencia.
    .student-title = Registro de asistencia retirado
    .student-body = { when }
    .parent-title = { child }: registro de asistencia retirado
    .parent-body = { when }
attendance-corrected =
    .generic-title = Asistencia corregida
    .generic-body = Se corrigió un registro de asistencia.
    .student-title = Asistencia corregida
    .student-body = { when }: el registro anterior ya no es válido.
    .parent-title = { child }: asistencia corregida
    .parent-body = { when }: el registro anterior ya no es válido.

lunch-balance =
    .generic-title = Cuenta del comedor
    .generic-body = Cambió el saldo de una cuenta del comedor.
    .student-title = Cuenta del comedor
    .student-body = Tu saldo es de { $balance }.
    .parent-title = { child }: cuenta del comedor
    .parent-body = El saldo es de { $balance }.

schedule-added =
    .generic-title = Horario modificado
    .generic-body = Se añadió una sesión.
    .student-title = Sesión añadida
    .student-body = { session }: { slot }
    .parent-title = { child }: sesión añadida
    .parent-body = { session }: { slot }
schedule-moved =
    .generic-title = Horario modificado
    .generic-body = Se cambió una sesión.
    .student-title = Sesión cambiada
    .student-body = { session }: ahora { slot }
    .parent-title = { child }: sesión cambiada
    .parent-body = { session }: ahora { slot }
schedule-removed =
    .generic-title = Horario modificado
    .generic-body = Se eliminó una sesión.
    .student-title = Sesión eliminada
    .student-body = { session }: { slot }
    .parent-title = { child }: sesión eliminada
    .parent-body = { session }: { slot }
