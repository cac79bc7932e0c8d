import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.MetadataResource;
import org.hl7.fhir.r4.model.Questionnaire;

/**
 * Validates R4 resources with HAPI's validator: one JSON resource a line on standard input; on standard output a
 * line for each message: the number of its line, severity, id of the message, location and text, tab-separated.
 * Resources of the kinds StructureDefinition, ValueSet, CodeSystem and Questionnaire given as files in the arguments are known
 * to the validator beside the core definitions.
 */
public class Validate {
  public static void main(String[] definitions) throws Exception {
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    FhirContext r4 = FhirContext.forR4();
    Map<String, Questionnaire> forms = new HashMap<>();
    PrePopulatedValidationSupport own = new PrePopulatedValidationSupport(r4) {
      @Override
      public <T extends IBaseResource> T fetchResource(Class<T> type, String url) {
        return type == Questionnaire.class ? type.cast(forms.get(url.replaceFirst("\\|.*", ""))) : super.fetchResource(type, url);
      }
    };
    for (String file : definitions) {
      String text = java.nio.file.Files.readString(java.nio.file.Path.of(file));
      MetadataResource definition = (MetadataResource) r4.newJsonParser().parseResource(text);
      if (definition instanceof Questionnaire) {
        forms.put(definition.getUrl(), (Questionnaire) definition);
      } else {
        own.addResource(definition);
      }
    }
    FhirInstanceValidator instance = new FhirInstanceValidator(new ValidationSupportChain(
        own,
        new DefaultProfileValidationSupport(r4),
        new InMemoryTerminologyServerValidationSupport(r4),
        new CommonCodeSystemsTerminologyService(r4)));
    instance.setErrorForUnknownProfiles(false);
    FhirValidator validator = r4.newValidator().registerValidatorModule(instance);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int number = 0;
    for (String line = in.readLine(); line != null; line = in.readLine(), number++) {
      for (SingleValidationMessage m : validator.validateWithResult(line).getMessages()) {
        String text = m.getMessage().replaceAll("\\s+", " ");
        out.println(String.join("\t", String.valueOf(number), m.getSeverity().getCode(),
            String.valueOf(m.getMessageId()), String.valueOf(m.getLocationString()), text));
      }
    }
    out.println("end\t" + number);
    out.flush();
  }
}
