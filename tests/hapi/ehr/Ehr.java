import ca.uhn.fhir.batch2.api.IJobMaintenanceService;
import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binstore.MemoryBinaryStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirPostgresDialect;
import ca.uhn.fhir.jpa.model.entity.StorageSettings.IndexEnabledEnum;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import jakarta.persistence.EntityManagerFactory;
import java.util.Properties;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.hl7.fhir.dstu2.model.Subscription.SubscriptionChannelType;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.transaction.annotation.EnableTransactionManagement;

/**
 * HAPI's JPA server as the EHR of the tests: R4 in memory (H2), with search, history, transactions, Bulk Data export
 * and R4 Subscriptions (rest-hook), under /fhir on the port of loopback that the argument names. Prints a line with
 * its address once it listens. With -Ddatabase=jdbc:postgresql:... it is the peer of the benchmarks: on that database,
 * and without what only an export needs.
 */
public class Ehr {
  static final String DATABASE = System.getProperty("database", "");

  @Configuration
  @EnableTransactionManagement
  @Import({
    JpaR4Config.class, HapiJpaConfig.class, JpaBatch2Config.class, Batch2JobsConfig.class,
    SubscriptionSubmitterConfig.class, SubscriptionProcessorConfig.class, SubscriptionChannelConfig.class,
    ThreadPoolFactoryConfig.class
  })
  public static class Parts {
    @Bean
    public JpaStorageSettings storage() {
      JpaStorageSettings settings = new JpaStorageSettings();
      settings.setEnforceReferentialIntegrityOnWrite(false);
      settings.setResourceClientIdStrategy(JpaStorageSettings.ClientIdStrategyEnum.ANY);
      settings.setResourceServerIdStrategy(JpaStorageSettings.IdStrategyEnum.UUID);
      settings.setAllowExternalReferences(true);
      if (DATABASE.isEmpty()) {
        settings.setIndexMissingFields(IndexEnabledEnum.ENABLED); // the export of patients needs it
      }
      return settings;
    }

    @Bean
    public SubscriptionSettings subscriptions() {
      SubscriptionSettings settings = new SubscriptionSettings();
      settings.addSupportedSubscriptionType(SubscriptionChannelType.RESTHOOK);
      settings.setSubscriptionChangeQueuedImmediately(true);
      return settings;
    }

    @Bean
    public PartitionSettings partitions() {
      return new PartitionSettings();
    }

    @Bean
    public IBinaryStorageSvc binaries() {
      return new MemoryBinaryStorageSvcImpl();
    }

    @Bean
    public IEmailSender mail() {
      return message -> {};
    }

    @Bean
    public DataSource dataSource() {
      BasicDataSource source = new BasicDataSource();
      if (DATABASE.isEmpty()) {
        source.setDriver(new org.h2.Driver());
        source.setUrl("jdbc:h2:mem:ehr;DB_CLOSE_DELAY=-1");
      } else {
        source.setDriver(new org.postgresql.Driver());
        source.setUrl(DATABASE);
      }
      source.setMaxTotal(20);
      return source;
    }

    @Bean
    @Primary
    public LocalContainerEntityManagerFactoryBean entityManagerFactory(
        DataSource source, ConfigurableListableBeanFactory beans, FhirContext r4, JpaStorageSettings storage) {
      LocalContainerEntityManagerFactoryBean made =
          HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, r4, storage);
      made.setPersistenceUnitName("ehr");
      made.setDataSource(source);
      Properties properties = new Properties();
      Class<?> dialect = DATABASE.isEmpty() ? HapiFhirH2Dialect.class : HapiFhirPostgresDialect.class;
      properties.put("hibernate.dialect", dialect.getName());
      properties.put("hibernate.jdbc.batch_size", "20");
      properties.put("hibernate.hbm2ddl.auto", "create");
      properties.put("hibernate.search.enabled", "false");
      made.setJpaProperties(properties);
      return made;
    }

    @Bean
    @Primary
    public JpaTransactionManager transactionManager(EntityManagerFactory factory) {
      return new JpaTransactionManager(factory);
    }
  }

  public static void main(String[] arguments) throws Exception {
    AnnotationConfigApplicationContext parts = new AnnotationConfigApplicationContext(Parts.class);
    RestfulServer fhir = new RestfulServer(parts.getBean(FhirContext.class));
    fhir.registerProviders(parts.getBean(ResourceProviderFactory.class).createProviders());
    fhir.registerProvider(parts.getBean(IJpaSystemProvider.class));
    fhir.registerProvider(parts.getBean(BulkDataExportProvider.class));
    fhir.setPagingProvider(parts.getBean(DatabaseBackedPagingProvider.class));
    Server server = new Server();
    ServerConnector connector = new ServerConnector(server);
    connector.setHost("127.0.0.1");
    connector.setPort(Integer.parseInt(arguments[0]));
    server.addConnector(connector);
    ServletContextHandler root = new ServletContextHandler("/");
    root.addServlet(new ServletHolder(fhir), "/fhir/*");
    server.setHandler(root);
    server.start();
    System.out.println("http://127.0.0.1:" + arguments[0] + "/fhir");
    // An export goes on at each round of maintenance, which otherwise comes once a minute.
    IJobMaintenanceService exports = parts.getBean(IJobMaintenanceService.class);
    if (!DATABASE.isEmpty()) {
      server.join();
    }
    while (server.isRunning()) {
      Thread.sleep(200);
      exports.forceMaintenancePass();
    }
  }
}
